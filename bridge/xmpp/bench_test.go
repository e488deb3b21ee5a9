package xmpp

import (
	"fmt"
	"runtime"
	"testing"
)

// BenchmarkMessage is what reading one chat message costs, from the stanza to the
// receiver.
func BenchmarkMessage(b *testing.B) {
	a, _, _ := newTestAccount(b)
	a.events = discard{}
	s := read(b, `<message from='bob@x.org/phone' to='alice@msn.test' id='0123456789' type='chat'><body>How about tea at five?</body><active xmlns='http://jabber.org/protocol/chatstates'/><markable xmlns='urn:xmpp:chat-markers:0'/><origin-id xmlns='urn:xmpp:sid:0' id='0123456789'/></message>`)
	b.ReportAllocs()
	for b.Loop() {
		if !a.rooms.take(s, nil) {
			a.message(s, nil)
		}
	}
}

// BenchmarkCrowdedRoom is what a room of 5,000 costs an account, in bytes that stay.
func BenchmarkCrowdedRoom(b *testing.B) {
	for b.Loop() {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		a, _, _ := newTestAccount(b)
		a.events = discard{}
		a.network.options.Component.Domain = "msn.test"
		a.rooms.mu.Lock()
		room := a.rooms.get(tea)
		room.kept = true
		a.rooms.begin(room)
		a.rooms.mu.Unlock()
		for i := range 5000 {
			a.rooms.take(read(b, fmt.Sprintf(`<presence from='tea@conf.test/n%d'><x xmlns='http://jabber.org/protocol/muc#user'><item jid='p%d@x.org/a'/></x></presence>`, i, i)), nil)
		}
		a.rooms.take(read(b, self("")), nil)
		for i := range 20 {
			a.rooms.take(read(b, says(fmt.Sprintf("n%d", i), "0123456789", `<body>hi</body>`)), nil)
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc)-float64(before.HeapAlloc), "B/room")
		runtime.KeepAlive(a)
	}
}
