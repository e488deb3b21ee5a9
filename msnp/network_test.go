package msnp_test

import (
	"context"
	"testing"
	"time"

	"papillon/bridge/fake"
	"papillon/msnp"
	"papillon/msnp/body"
	"papillon/msnp/msnptest"
)

// TestTextToANetwork: what a client writes arrives on a network as text, whatever
// the charset, the line ends and the header. The contact there is not online, and
// can be written to all the same: RINGING and JOI, no 217.
func TestTextToANetwork(t *testing.T) {
	net := fake.New("net")
	defer net.Close()
	bob := net.Person("bob@remote.test", "Bob")
	s := startService(t, testLimits, net)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	alice := signIn(t, s, "alice", msnp.Online)
	if _, err := alice.Add(ctx, msnp.Forward, "bob@remote.test", ""); err != nil {
		t.Fatal(err)
	}
	chat, err := alice.Chat(ctx, "bob@remote.test")
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ sent, want string }{
		{"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=UTF-8\r\n\r\nZoë", "Zoë"},
		{"MIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\nZoë without a label", "Zoë without a label"},
		{"MIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\nZo\xeb \x80 5", "Zoë € 5"},
		{"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=UTF-8\r\n\r\nZo\xeb with a wrong one", "Zoë with a wrong one"},
		{"MIME-Version: 1.0\nContent-Type: text/plain\n\none\ntwo", "one\ntwo"},
		{"MIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\none\r\ntwo\r\n", "one\ntwo"},
		{"MIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\none\rtwo, as gaim does", "one\ntwo, as gaim does"},
		{"Content-Type: text/plain; charset=UTF-8\r\n\r\none header, as Miranda does", "one header, as Miranda does"},
		{"MIME-Version: 1.0\r\n\r\nno type", "no type"},
		{"Bob: no header at all", "Bob: no header at all"},
		{"hello", "hello"},
	} {
		if _, err := chat.SendRaw(ctx, []byte(test.sent), msnptest.Acknowledged); err != nil {
			t.Errorf("%q: %v", test.sent, err)
			continue
		}
		got, err := net.WaitSent(ctx, fake.To(bob.ID()))
		if err != nil {
			t.Fatal(err)
		}
		if got.Text != test.want {
			t.Errorf("%q arrives as %q, want %q", test.sent, got.Text, test.want)
		}
	}
}

// TestFileToANetwork: a file for a contact on a network is declined, so that the
// sender's window ends.
func TestFileToANetwork(t *testing.T) {
	net := fake.New("net")
	defer net.Close()
	net.Person("bob@remote.test", "Bob")
	s := startService(t, testLimits, net)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	alice := signIn(t, s, "alice", msnp.Online)
	chat, err := alice.Chat(ctx, "bob@remote.test")
	if err != nil {
		t.Fatal(err)
	}
	offer := "MIME-Version: 1.0\r\nContent-Type: text/x-msmsgsinvite; charset=UTF-8\r\n\r\n" +
		"Application-Name: File Transfer\r\nApplication-GUID: {5D3E02AB-6190-11d3-BBBB-00C04F795683}\r\n" +
		"Invitation-Command: INVITE\r\nInvitation-Cookie: 33267\r\nApplication-File: cat.jpg\r\nApplication-FileSize: 36864\r\n\r\n"
	if _, err := chat.SendRaw(ctx, []byte(offer), msnptest.NakOnly); err != nil {
		t.Fatal(err)
	}
	answer, err := msnptest.WaitFor[msnptest.MessageArrived](ctx, chat, nil)
	if err != nil {
		t.Fatal(err)
	}
	invitation, ok := body.ParseInvitation(answer.Message)
	if !ok || invitation.Command() != "CANCEL" || invitation.Cookie() != "33267" || answer.From.Handle != "bob@remote.test" {
		t.Errorf("got %q from %s, want a refusal from Bob", answer.Raw, answer.From.Handle)
	}
}
