package stream

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestResumeWithCounts cuts a session off and lets the server have any part of
// what was sent.
func TestResumeWithCounts(t *testing.T) {
	for had := range 4 {
		bubble(t, func(t *testing.T) {
			p := play(t, false)
			s := p.login(negotiated{counts: true})
			if err := sendHeard(p, s, body("0")); err != nil {
				t.Fatal(err)
			}
			delivered := later(func() error { return p.Deliver(t.Context(), body("1")) })
			s.expect("<message")
			s.expect("<iq ") // the barrier is the third
			synctest.Wait()
			s.Close()
			<-p.downs
			s = p.login(negotiated{resumed: true, reported: true, handled: uint32(had)})
			var again []string
			for range 3 - had {
				again = append(again, id(s.hear()))
			}
			if want := []string{"0", "1"}[min(had, 2):]; !strings.HasPrefix(fmt.Sprint(append(again, ""))[1:], strings.Join(want, " ")) {
				t.Errorf("the server had %d: sent again were %v", had, again)
			}
			if !<-p.ups {
				t.Error("not resumed")
			}
			s.say(fmt.Sprintf("<iq type='result' id='%s'/>", id(s.expect("<iq "))))
			if err := <-delivered; err != nil {
				t.Error(err)
			}
			s.drain()
		})
	}
}

// sendHeard sends what the server reads.
func sendHeard(p *played, s *side, what *Stanza) error {
	sent := later(func() error { return p.Send(p.t.Context(), what) })
	s.expect("<message")
	return <-sent
}

// TestFailedResume: what the server had is accepted, the rest is not.
func TestFailedResume(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := play(t, false)
		s := p.login(negotiated{counts: true})
		first := later(func() error { return p.Deliver(t.Context(), body("1")) })
		s.expect("<message")
		s.expect("<iq ")
		second := later(func() error { return p.Deliver(t.Context(), body("2")) })
		s.expect("<message")
		s.Close()
		<-p.downs
		synctest.Wait()
		if len(first)+len(second) > 0 {
			t.Error("given up before it was known")
		}
		s = p.login(negotiated{counts: true, reported: true, handled: 2})
		if err := <-first; err != nil {
			t.Errorf("what the server had: %v", err)
		}
		if err := <-second; !errors.Is(err, ErrNotConnected) {
			t.Errorf("what the server had not: %v", err)
		}
		s.drain()
	})
}

// TestFailedWriteIsNotSentAgain: after an error of Send nothing is sent by a
// resumption, whoever of those who send at the same time came first.
func TestFailedWriteIsNotSentAgain(t *testing.T) {
	for first := range 4 {
		t.Run(fmt.Sprint(first), func(t *testing.T) {
			bubble(t, func(t *testing.T) { failedWrite(t, first) })
		})
	}
}

func failedWrite(t *testing.T, first int) {
	p := play(t, false)
	p.login(negotiated{counts: true})
	began := time.Now()
	soon, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	senders := []func() error{
		func() error { return p.Send(t.Context(), body("failed")) },
		func() error { return p.Send(t.Context(), body("behind")) },
		func() error { return p.Deliver(soon, body("abandoned")) },
		func() error { return p.Deliver(t.Context(), body("insisted")) },
	}
	results := make([]<-chan error, len(senders))
	for i := range senders {
		i = (first + i) % len(senders)
		results[i] = later(senders[i])
		synctest.Wait() // it is stuck: nobody reads
	}
	for _, c := range results[:2] {
		if err := <-c; err == nil {
			t.Error("it was sent to nobody")
		}
	}
	if err := <-results[2]; !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	if took := time.Since(began); took > 2*p.timing.Write {
		t.Errorf("stuck for %s", took)
	}
	<-p.downs
	s := p.login(negotiated{resumed: true, reported: true})
	again := s.hear()
	if strings.HasPrefix(again, "<iq ") { // the barrier of a batch before it
		again = s.expect("<message")
	}
	if got := id(again); got != "insisted" {
		t.Errorf("%s was sent again", got)
	}
	<-p.ups
	s.answer(false)
	if err := <-results[3]; err != nil {
		t.Error(err)
	}
}

// TestDeliveriesShareTheBarrier sends many at once.
func TestDeliveriesShareTheBarrier(t *testing.T) {
	for _, component := range []bool{false, true} {
		bubble(t, func(t *testing.T) {
			p := play(t, component)
			s := p.login(negotiated{})
			const many = 500
			var all sync.WaitGroup
			for i := range many {
				all.Go(func() {
					err := p.Deliver(t.Context(), body(fmt.Sprint("m", i)))
					if bounced := errors.Is(err, ErrBounced); bounced != (i == 7) || err != nil && !bounced {
						t.Errorf("%d: %v", i, err)
					}
				})
			}
			reply := func(barrier string) {
				if component {
					s.say(barrier) // comes back
					return
				}
				s.say(fmt.Sprintf("<iq type='error' id='%s' from='a.test'/>", id(barrier)))
			}
			// The first comes back when all are there: how many there are where each does at
			// once is for the scheduler to say.
			barrier := ""
			for messages := 0; messages < many; {
				got := s.hear()
				if !strings.HasPrefix(got, "<message") {
					if barrier != "" {
						t.Error("a barrier before the one before came back")
					}
					barrier = got
					continue
				}
				messages++
				if id(got) == "m7" {
					s.say("<message type='error' id='m7' from='eve@e.test' to='x@msn.test'/>")
					s.say("<message type='error' id='m7' from='bob@b.test' to='x@msn.test'/>")
				}
			}
			if barrier != "" {
				reply(barrier)
			}
			s.answer(component) // the one for those that were left
			all.Wait()
			if got := <-p.stanzas; got.From != "eve@e.test" {
				t.Errorf("%+v came to the handler", got)
			}
		})
	}
}

// answer answers what comes, as the server of a client or a component does.
func (s *side) answer(component bool) {
	go func() {
		for {
			f, err := s.f.next()
			if err != nil {
				return
			}
			answer := string(f.data)
			if !component {
				answer = fmt.Sprintf("<iq type='result' id='%s'/>", id(answer))
			}
			if _, err := s.Write([]byte(answer)); err != nil {
				return
			}
		}
	}()
}

// TestFloodOfQuestions sends questions without reading the answers: neither
// memory nor the reader is at their mercy.
func TestFloodOfQuestions(t *testing.T) {
	for name, flood := range map[string]string{
		"counts":  "<r xmlns='urn:xmpp:sm:3'/>",
		"queries": "<iq type='get' id='x' from='bob@b.test'/>",
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				p := play(t, false)
				s := p.login(negotiated{counts: true})
				block := strings.Repeat(flood, 1000)
				for range 50 {
					s.say(block)
				}
				p.mu.Lock()
				waiting, kept := 0, len(p.out.queue)
				if p.wire != nil && p.wire.pending != nil {
					waiting = len(p.wire.pending.buf)
				}
				p.mu.Unlock()
				if waiting > maxReplies+1000 || kept > 2*maxReplies/50 {
					t.Errorf("%d bytes wait, %d stanzas are kept", waiting, kept)
				}
				if err := <-p.downs; err == nil { // it is given up in the end
					t.Error("no error")
				}
			})
		})
	}
}

// TestSilentServer is asked after a while and given up later.
func TestSilentServer(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := play(t, false)
		s := p.login(negotiated{})
		began := time.Now()
		for range 3 { // it lives as long as it answers
			s.say(fmt.Sprintf("<iq type='result' id='%s'/>", id(s.expect("<iq "))))
		}
		if took := time.Since(began); took != 3*p.timing.Ping {
			t.Errorf("three pings took %s", took)
		}
		began = time.Now()
		s.drain()
		<-p.downs
		if took := time.Since(began); took != p.timing.Read {
			t.Errorf("given up after %s", took)
		}
	})
}

func TestClose(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := play(t, false)
		s := p.login(negotiated{counts: true})
		s.say("<message/>")
		(<-p.dones)()
		closed := later(func() error { return p.Close(t.Context()) })
		s.expect("<a xmlns='urn:xmpp:sm:3' h='1'")
		if _, err := s.f.next(); !errors.Is(err, errEnd) {
			t.Errorf("the end is %v", err)
		}
		began := time.Now() // and no answer
		if err := <-closed; err != nil || time.Since(began) != p.timing.Farewell {
			t.Errorf("%v after %s", err, time.Since(began))
		}
		if err := p.Send(t.Context(), body("x")); !errors.Is(err, ErrNotConnected) {
			t.Error(err)
		}
		if err := p.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if len(p.downs) > 0 {
			t.Error(<-p.downs)
		}
	})
	bubble(t, func(t *testing.T) { // nobody reads, and nothing has begun
		p := play(t, true)
		p.login(negotiated{})
		if err := p.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if err := NewClient(ClientOptions{}, p).Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestBackoff(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := waiter{}
		for i, step := range []time.Duration{1, 2, 4, 8, 16, 32, 60, 60} {
			if got := w.next(); got > step*time.Second || got < step*time.Second/2 {
				t.Errorf("the wait after %d failures is %s", i+1, got)
			}
		}
		w.reset()
		if got := w.next(); got > time.Second {
			t.Errorf("anew it is %s", got)
		}
	})
}
