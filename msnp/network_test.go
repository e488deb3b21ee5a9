package msnp_test

import (
	"context"
	"slices"
	"strconv"
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

// signInToGroups signs alice in with a client that knows groups and has asked for the lists.
func signInToGroups(t *testing.T, s *service) *msnptest.Client {
	t.Helper()
	c, err := msnptest.Dial(t.Context(), s.addr, msnptest.Options{
		Handle: "alice@example.org", Password: password, Dialects: []string{"MSNP7"}, Status: msnp.Online,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// wantGroup signs in again and expects a contact in one group alone.
func wantGroup(t *testing.T, s *service, who msnp.Handle, group uint32) {
	t.Helper()
	c := signInToGroups(t, s)
	defer c.Close()
	p, err := c.Sync(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	if ids := p.Groups.Of[who]; group == 0 || !slices.Equal(ids, []uint32{group}) {
		t.Errorf("%s came in group %d, and the list has him in %v", who, group, ids)
	}
}

// TestGroupOfANetworkContact: a contact comes under the group in which the list has him
// later. A client that keeps its list by the serial would have him elsewhere for good, and
// could not move him. One is added in the window, the other by the helper contact.
func TestGroupOfANetworkContact(t *testing.T) {
	net := fake.New("net")
	defer net.Close()
	net.Person("bob@remote.test", "Bob")
	net.Person("dave@remote.test", "Dave")
	s := startService(t, testLimits, net)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	alice := signInToGroups(t, s)
	bob, err := alice.Add(ctx, msnp.Forward, "bob@remote.test", "")
	if err != nil {
		t.Fatal(err)
	}
	helper, err := alice.Chat(ctx, "papillon@example.org")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := helper.SendText(ctx, "add dave@remote.test", msnptest.NakOnly); err != nil {
		t.Fatal(err)
	}
	dave, err := msnptest.WaitFor(ctx, alice, func(e msnptest.ListChanged) bool { return e.Change.List == msnp.Forward })
	if err != nil {
		t.Fatal(err)
	}
	alice.Close()
	wantGroup(t, s, bob.Contact.Handle, bob.Group)
	wantGroup(t, s, dave.Change.Contact.Handle, dave.Change.Group)
}

// TestMoveANetworkContact: he can be taken out of the group that he came in.
func TestMoveANetworkContact(t *testing.T) {
	net := fake.New("net")
	defer net.Close()
	net.Person("bob@remote.test", "Bob")
	s := startService(t, testLimits, net)
	alice := signInToGroups(t, s)
	bob, err := alice.Add(t.Context(), msnp.Forward, "bob@remote.test", "")
	if err != nil {
		t.Fatal(err)
	}
	var friends string
	for _, command := range [][]string{
		{"ADG", "Friends", "0"},
		{"ADD", "FL", "bob@remote.test", "Bob"},
		{"REM", "FL", "bob@remote.test", strconv.FormatUint(uint64(bob.Group), 10)},
	} {
		if command[0] == "ADD" {
			command = append(command, friends)
		}
		answer, err := alice.Request(t.Context(), command[0], command[1:]...)
		if err != nil {
			t.Fatalf("%q: %v", command, err)
		}
		if command[0] == "ADG" {
			friends = answer[4]
		}
	}
	alice.Close()
	id, err := strconv.ParseUint(friends, 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	wantGroup(t, s, bob.Contact.Handle, uint32(id))
}
