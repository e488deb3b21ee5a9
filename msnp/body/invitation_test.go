package body_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"papillon/msnp/body"
)

func TestParseInvitation(t *testing.T) {
	m, err := body.Parse([]byte(bodies["invitation"]))
	if err != nil {
		t.Fatal(err)
	}
	inv, ok := body.ParseInvitation(m)
	if !ok || inv.Command() != body.CommandInvite || inv.Cookie() != "33267" || inv.Get("application-file") != "a b.txt" {
		t.Errorf("ParseInvitation = %q, %v", inv, ok)
	}
	if diff := cmp.Diff(m, inv.Message()); diff != "" {
		t.Errorf("Message differs from what was parsed: %s", diff)
	}
	for _, name := range []string{"official", "typing"} {
		m, err := body.Parse([]byte(bodies[name]))
		if err != nil {
			t.Fatal(err)
		}
		if inv, ok := body.ParseInvitation(m); ok {
			t.Errorf("%s: ParseInvitation = %q", name, inv)
		}
	}
	empty := body.Message{Header: m.Header, Content: []byte("\r\n")}
	if inv, ok := body.ParseInvitation(empty); ok {
		t.Errorf("no fields: ParseInvitation = %q", inv)
	}
}

func TestCancelAnswers(t *testing.T) {
	m, err := body.Parse(body.NewCancel("7\r\nX: y", body.CancelReject).Append(nil))
	if err != nil {
		t.Fatal(err)
	}
	inv, ok := body.ParseInvitation(m)
	want := body.Invitation{Fields: []body.Field{
		{Name: "Invitation-Command", Value: "CANCEL"}, {Name: "Invitation-Cookie", Value: "7  X: y"}, {Name: "Cancel-Code", Value: "REJECT"}}}
	if diff := cmp.Diff(want, inv); !ok || diff != "" {
		t.Error(diff)
	}
}
