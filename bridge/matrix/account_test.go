package matrix

import (
	"strings"
	"testing"

	"papillon/bridge"
)

func TestLoginsThatCannotWork(t *testing.T) {
	g := shared.gateway(t)
	taken := g.user("alice")
	for name, login := range map[string]bridge.Login{
		"unknown kind":        {Account: "a@msn.test", Kind: "telepathy"},
		"not a ghost":         {Account: "a@msn.test", ID: "@alice:hs.test"},
		"on another server":   {Account: "a@msn.test", ID: "@msn_alice:elsewhere.test"},
		"the bot":             {Account: "a@msn.test", ID: "@papillon:hs.test"},
		"somebody's already":  {Account: "a@msn.test", ID: taken.ID()},
		"too long for Matrix": {Account: bridge.Handle(strings.Repeat("=", 120) + "@msn.test")},
	} {
		if _, err := g.Open(t.Context(), login, newRecorder()); err == nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOpenAgainTakesThePlace(t *testing.T) {
	g := shared.gateway(t)
	first, bob := g.user("alice"), shared.person(t, "bob")
	room := talking(t, first, bob)
	second := g.openUser(first.owner, "The alice")
	if first.life.Err() == nil {
		t.Error("the first account is still at work")
	}
	if err := first.Close(); err != nil { // late, and harmless
		t.Fatal(err)
	}
	if _, err := bob.Say(patient(t), room, "to the second"); err != nil {
		t.Fatal(err)
	}
	second.awaitText("to the second")
	if got := first.messages(); len(got) != 0 {
		t.Errorf("the first got %v", got)
	}
}

func TestNamesOfTheNetwork(t *testing.T) {
	g := shared.gateway(t)
	if g.Name() != "matrix" {
		t.Errorf("name %q", g.Name())
	}
	id, ok := g.ParseContact("bob@matrix.org")
	if local, domain := g.Address(id); !ok || local != "bob" || domain != "matrix.org" {
		t.Errorf("%q, %v, %q, %q", id, ok, local, domain)
	}
}
