package stream_test

import (
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"papillon/bridge/xmpp/stream"
	"papillon/bridge/xmpp/xmpptest"
)

// noStore keeps a message out of the archive, whose default stores slow the
// servers down more than anything.
func noStore(s *stream.Stanza) *stream.Stanza {
	s.Children = append(s.Children, stream.NewElement("urn:xmpp:hints", "no-store"))
	return s
}

// rss is the memory of this process, in bytes.
func rss(t testing.TB) int {
	t.Helper()
	runtime.GC()
	data, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(data), "VmRSS:")
	kb, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		t.Fatal(err)
	}
	return kb << 10
}

// TestManyClients holds many sessions against the bounds: memory, goroutines,
// and how many log in at a time; and wants all of it back.
func TestManyClients(t *testing.T) {
	const many, atOnce = 200, 4
	s := shared(t, xmpptest.Prosody)
	slots := make(chan struct{}, atOnce)
	var clients []*stream.Client
	r := newRecorder()
	r.up = make(chan bool, many)
	people := make([]stream.ClientOptions, many)
	for i := range people {
		jid, password := user(t, s, "many")
		people[i] = options(t, s, jid, password)
		people[i].Slots = slots
	}
	goroutines, memory := runtime.NumGoroutine(), rss(t)
	for _, o := range people {
		c := stream.NewClient(o, r)
		c.Start()
		clients = append(clients, c)
	}
	for range clients {
		receive(t, r.up)
		if n := len(slots); n > atOnce {
			t.Errorf("%d log in at a time", n)
		}
	}
	if n := runtime.NumGoroutine() - goroutines; n > 2*many {
		t.Errorf("%d goroutines for %d sessions", n, many)
	}
	each := (rss(t) - memory) / many
	t.Logf("%d KiB each, %d goroutines for %d", each>>10, runtime.NumGoroutine()-goroutines, many)
	if each > 200<<10 && !raceEnabled {
		t.Errorf("%d KiB for each session", each>>10)
	}
	var all sync.WaitGroup
	for _, c := range clients {
		all.Go(func() { closeConn(t, c) })
	}
	all.Wait()
	for deadline := time.Now().Add(patience); runtime.NumGoroutine() > goroutines; {
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines are left", runtime.NumGoroutine()-goroutines)
		}
		runtime.Gosched()
	}
	if len(r.down) > 0 {
		t.Error(<-r.down)
	}
}

// BenchmarkComponent sends between a component and a client, one way at a time.
func BenchmarkComponent(b *testing.B) {
	for _, kind := range xmpptest.Kinds() {
		s, err := xmpptest.Start(b.Context(), xmpptest.Options{Kind: kind, NoArchive: true})
		if err != nil {
			b.Fatal(err)
		}
		jid, password, err := s.CreateUser(b.Context(), "bench")
		if err != nil {
			b.Fatal(err)
		}
		heard := [2]*recorder{newRecorder(), newRecorder()}
		client := stream.NewClient(stream.ClientOptions{JID: jid, Password: password, Resource: "x", Address: s.ClientAddress, RootCAs: s.RootCAs}, heard[0])
		component := stream.NewComponent(stream.ComponentOptions{Address: s.ComponentAddress, Domain: s.ComponentDomain, Secret: s.Secret}, heard[1])
		client.Start()
		component.Start()
		<-heard[0].up
		<-heard[1].up
		if err := client.Send(b.Context(), &stream.Stanza{Kind: stream.Presence}); err != nil {
			b.Fatal(err)
		}
		msn := "alice@" + s.ComponentDomain
		b.Run(string(kind)+"/to the client", func(b *testing.B) {
			flow(b, component, heard[0], noStore(chat(msn, client.JID(), "", "about twenty letters")))
		})
		b.Run(string(kind)+"/to the component", func(b *testing.B) {
			flow(b, client, heard[1], noStore(chat("", msn, "", "about twenty letters")))
		})
		b.Run(string(kind)+"/delivered", func(b *testing.B) {
			b.SetParallelism(50)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if err := component.Deliver(b.Context(), noStore(chat(msn, client.JID(), "", "about twenty letters"))); err != nil {
						b.Error(err)
					}
					<-heard[0].stanzas
				}
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
		})
		for _, c := range []stream.Conn{client, component} {
			if err := c.Close(b.Context()); err != nil {
				b.Error(err)
			}
		}
		if err := s.Stop(); err != nil {
			b.Error(err)
		}
	}
}

// flow sends as fast as it is taken, with at most a thousand under way: ejabberd
// ends a session that has five thousand stanzas to acknowledge (its
// max_ack_queue).
func flow(b *testing.B, from stream.Conn, to *recorder, s *stream.Stanza) {
	var senders sync.WaitGroup
	const many = 8
	window := make(chan struct{}, 1000)
	for i := range many {
		senders.Go(func() {
			for n := i; n < b.N; n += many {
				window <- struct{}{}
				if err := from.Send(b.Context(), s); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	for range b.N {
		for (<-to.stanzas).Kind != stream.Message {
		}
		<-window
	}
	senders.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
}
