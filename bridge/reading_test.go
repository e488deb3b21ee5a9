package bridge_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"

	"papillon/bridge"
	"papillon/bridge/fake"
	"papillon/msnp"
)

// readers is a network on which it is told what was read. Each receipt waits for
// a word on the channel.
type readers struct {
	*fake.Network
	told chan string
	word chan error
}

type readerAccount struct {
	bridge.Account
	net *readers
}

func (n *readers) Open(ctx context.Context, login bridge.Login, events bridge.Receiver) (bridge.Account, error) {
	account, err := n.Network.Open(ctx, login, events)
	return readerAccount{account, n}, err
}

// Read implements [bridge.Reader].
func (a readerAccount) Read(_ context.Context, chat bridge.Chat, id string) error {
	a.net.told <- string(chat.Contact) + " " + id
	return <-a.net.word
}

// TestReadReceipts: a network is told what the client has been handed, no sooner,
// and of what comes meanwhile only the newest of each chat.
func TestReadReceipts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := &readers{Network: fake.New("fakenet"), told: make(chan string, 100), word: make(chan error)}
		bob, dora := net.Person("bob@fake.test", "Bob"), net.Person("dora@fake.test", "Dora")
		db := openStore(t, t.TempDir(), alice)
		g := startGateway(t, db, nil, net)
		a := open(t, g, alice, msnp.Online)
		a.mu.Lock()
		a.slow = true
		a.mu.Unlock()
		say := func(p *fake.Person, id string) {
			t.Helper()
			must(t, p.Say(alice, "text of "+id, fake.WithID(id)))
			synctest.Wait()
		}
		expect := func(want ...string) {
			t.Helper()
			synctest.Wait()
			var got []string
			for len(net.told) > 0 {
				got = append(got, <-net.told)
			}
			if !slices.Equal(got, want) {
				t.Fatalf("told %q, want %q", got, want)
			}
		}
		say(bob, "1")
		expect() // the client has not taken it
		a.settle(true)
		expect("bob@fake.test 1")
		for i := range 20 {
			say(bob, fmt.Sprint("more-", i))
			say(dora, fmt.Sprint("other-", i))
			a.settle(true)
		}
		expect()
		net.word <- errors.New("the receipt is lost") // and not tried again
		expect("bob@fake.test more-19")
		net.word <- nil
		expect("dora@fake.test other-19")
		net.word <- nil
		expect()
		say(bob, "lost")
		a.settle(false) // the connection died
		expect()
		a.session.Close()
		stopGateway(t, g)
		must(t, db.Close())
		must(t, net.Close())
	})
}
