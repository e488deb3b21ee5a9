package xmpp

import (
	"fmt"
	"sync"
	"testing"

	"github.com/rs/zerolog"

	"papillon/bridge"
	"papillon/bridge/xmpp/stream"
)

// benchAccounts opens as many accounts as a component is to carry.
func benchAccounts(b *testing.B) (*Network, *scriptedConn, []*componentAccount) {
	b.Helper()
	n, err := New(Options{Component: ComponentOptions{Domain: gate}, AccountDomain: "msn.localhost", Memory: &notes{}, Log: zerolog.Nop()})
	if err != nil {
		b.Fatal(err)
	}
	c := &scriptedConn{handler: n.gateway, forget: true}
	n.gateway.conn = c
	c.Start()
	all := make([]*componentAccount, 2000)
	for i := range all {
		a, err := n.Open(b.Context(), bridge.Login{Account: bridge.Handle(fmt.Sprintf("user%d@msn.localhost", i)), Name: "Alice"}, &discard{})
		if err != nil {
			b.Fatal(err)
		}
		all[i] = a.(*componentAccount)
	}
	return n, c, all
}

// BenchmarkComponentInward is what a message that arrives costs, from the stanza to
// the event, with the receipt.
func BenchmarkComponentInward(b *testing.B) {
	n, _, all := benchAccounts(b)
	stanzas := make([]*stream.Stanza, len(all))
	for i, a := range all {
		stanzas[i] = read(b, fmt.Sprintf(`<message from='bob%d@jabber.test/x' to='%s' type='chat' id='message-%d'>
			<body>hello there</body><active xmlns='http://jabber.org/protocol/chatstates'/><request xmlns='urn:xmpp:receipts'/></message>`, i%8, a.bare, i))
	}
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		n.gateway.Stanza(stanzas[i%len(stanzas)], nil)
		if i%len(all) == len(all)-1 {
			for _, a := range all {
				awaitFeed(a.account)
			}
		}
	}
	for _, a := range all {
		awaitFeed(a.account)
	}
}

// BenchmarkComponentOutward is what a message that is sent costs, up to the stream.
func BenchmarkComponentOutward(b *testing.B) {
	_, _, all := benchAccounts(b)
	b.ReportAllocs()
	b.ResetTimer()
	var sending sync.WaitGroup
	for w := range 8 {
		sending.Go(func() {
			for i := w; i < b.N; i += 8 {
				m := bridge.Outgoing{ID: fmt.Sprintf("out-%d", i), Chat: bridge.Chat{Contact: "bob@jabber.test"}, Text: "hello there"}
				if err := all[i%len(all)].Send(b.Context(), m); err != nil {
					b.Error(err)
				}
			}
		})
	}
	sending.Wait()
}
