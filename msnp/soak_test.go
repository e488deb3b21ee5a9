package msnp_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"papillon/bridge"
	"papillon/msnp"
	"papillon/msnp/msnptest"
)

// fuzzLimits keep what attackers may store small.
var fuzzLimits = bridge.Limits{ListLength: 50, Participants: 10}

// soakSessions is how many sessions TestHostileSessions plays by default, and
// soakVariable what sets another number; "make soak" takes 100,000.
const (
	soakSessions = 1600
	soakVariable = "PAPILLON_SOAK_SESSIONS"
)

// soakWorkers attack at a time, each with an account of its own.
const soakWorkers = 8

// TestHostileSessions plays random and mutated sessions against a whole server. It
// stays up, its memory stays flat, and two others chat on undisturbed.
func TestHostileSessions(t *testing.T) {
	sessions := soakSessions
	if word := os.Getenv(soakVariable); word != "" {
		var err error
		if sessions, err = strconv.Atoi(word); err != nil || sessions < soakWorkers {
			t.Fatalf("%s=%q: want a number from %d on", soakVariable, word, soakWorkers)
		}
	}
	var attackers []string
	for i := range soakWorkers {
		attackers = append(attackers, fmt.Sprintf("hostile%d", i))
	}
	s := newTarget(t, msnp.Limits{
		Line: 1024, Payload: 8192, Unauthenticated: time.Minute, SendQueue: 256 << 10, CommandsPerSecond: 2000, CommandBurst: 500,
	}, attackers...)
	corpus := seeds(t)
	begin := s.server.Stats()
	besiege(t, s, corpus, sessions/5, 1) // until all that is kept for ever is there
	before := heapInUse(t, s.service, begin)
	besiege(t, s, corpus, sessions-sessions/5, 2)
	after := heapInUse(t, s.service, begin)
	t.Logf("heap %d KiB after %d sessions, %d KiB after %d", before>>10, sessions/5, after>>10, sessions)
	if grown := int64(after) - int64(before); grown > maxGrowth {
		t.Errorf("the heap has grown by %d KiB", grown>>10)
	}
}

// maxGrowth is how much more of the heap may be in use after all sessions than after a
// fifth of them, when nobody is signed in any more, however many they are: 100,000
// take about 130 KiB, most of it the emptied table of switchboard cookies, which keeps
// its greatest size. Of 1,600 sessions none may leave behind 400 bytes, of 100,000
// none 7.
const maxGrowth = 512 << 10

// besiege plays sessions while others chat undisturbed, and signs these others out at
// the end. A call that nobody answers is remembered, with its conversation, for two
// minutes or until whoever was called signs out: with the bystanders signed in the heap
// would show how many calls two minutes bring, and nothing about what sessions leave.
func besiege(t *testing.T, s *target, corpus [][]byte, sessions int, seed uint64) {
	t.Run(fmt.Sprintf("%d sessions", sessions), func(t *testing.T) {
		s.hosts(t)
		ctx, stop := context.WithCancel(t.Context())
		chat := newBystanders(t, s.service)
		said := make(chan error, 1)
		go func() { said <- chat.talk(ctx) }()
		start := time.Now()
		play(t, s, corpus, sessions, seed)
		took := time.Since(start)
		stop()
		if err := <-said; err != nil {
			t.Errorf("the bystanders: %v", err)
		}
		t.Logf("%.0f sessions a second; %d messages of bystanders, the slowest took %v",
			float64(sessions)/took.Seconds(), chat.count.Load(), chat.slowest)
		if chat.count.Load() == 0 {
			t.Error("the bystanders said nothing")
		}
		if chat.slowest > 10*time.Second {
			t.Errorf("a message of the bystanders took %v", chat.slowest)
		}
	})
}

// play plays sessions, several at a time.
func play(t *testing.T, s *target, corpus [][]byte, sessions int, seed uint64) {
	t.Helper()
	var all sync.WaitGroup
	for worker := range soakWorkers {
		all.Go(func() {
			random := rand.New(rand.NewPCG(seed, uint64(worker)))
			name := fmt.Sprintf("hostile%d", worker)
			for range sessions / soakWorkers {
				data := mutate(random, corpus)
				state, dialect := random.IntN(len(states)), random.IntN(6)
				// What one session leaves behind may end the next one's preparation.
				if err := attack(s, name, state, dialect, data); err != nil && !errors.Is(err, errEnded) {
					t.Errorf("%v; sent %q", err, data)
					return
				}
			}
		})
	}
	all.Wait()
}

// mutate makes a session of those in the corpus: cut, joined, with bytes changed,
// lines repeated or put elsewhere; or of nothing but random bytes.
func mutate(random *rand.Rand, corpus [][]byte) []byte {
	pick := func() []byte { return slices.Clone(corpus[random.IntN(len(corpus))]) }
	data := pick()
	for range random.IntN(6) {
		at := random.IntN(len(data) + 1)
		switch random.IntN(7) {
		case 0:
			data = data[:at]
		case 1:
			other := pick()
			data = append(data[:at], other[random.IntN(len(other)+1):]...)
		case 2:
			for i := range random.IntN(8) {
				if at+i < len(data) {
					data[at+i] = byte(random.Uint32())
				}
			}
		case 3:
			data = slices.Insert(data, at, []byte("\r\n")...)
		case 4:
			data = slices.Insert(data, at, data[at:min(at+random.IntN(200), len(data))]...)
		case 5:
			data = slices.Insert(data, at, []byte(strconv.FormatUint(random.Uint64(), 10))...)
		case 6:
			data = make([]byte, random.IntN(300))
			for i := range data {
				data[i] = byte(random.Uint32())
			}
		}
	}
	return data
}

// heapInUse waits until all connections are gone and returns what is in use.
func heapInUse(t *testing.T, s *service, begin msnp.Stats) uint64 {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(30 * time.Second); ; <-tick.C {
		now := s.server.Stats()
		if now.SignedIn == begin.SignedIn && now.Connections == begin.Connections {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d connections and %d sessions are left", now.Connections-begin.Connections, now.SignedIn-begin.SignedIn)
		}
	}
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// bystanders are alice and bob, who chat.
type bystanders struct {
	alice   *msnptest.Client
	chat    *msnptest.Switchboard
	answer  *msnptest.Switchboard
	count   atomic.Int64
	slowest time.Duration
}

// newBystanders opens their conversation.
func newBystanders(t *testing.T, s *service) *bystanders {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	wanted := func(e msnptest.Event) bool {
		switch e := e.(type) {
		case msnptest.Ring:
			return e.Caller.Handle == "alice@example.org"
		case msnptest.Joined, msnptest.MessageArrived:
			return true
		}
		return false
	}
	b := &bystanders{alice: s.witness(t, "alice", wanted)}
	bob := s.witness(t, "bob", wanted)
	var err error
	if b.chat, err = b.alice.OpenSwitchboard(ctx); err == nil {
		err = b.chat.Call(ctx, "bob@example.org")
	}
	if err != nil {
		t.Fatal(err)
	}
	ring, err := msnptest.WaitFor[msnptest.Ring](ctx, bob, nil)
	if err != nil {
		t.Fatal(err)
	}
	if b.answer, err = bob.Answer(ctx, ring); err != nil {
		t.Fatal(err)
	}
	return b
}

// talk says one thing after the other until the context ends. Each has to arrive,
// as it was said and in its turn.
func (b *bystanders) talk(ctx context.Context) error {
	for ctx.Err() == nil {
		start := time.Now()
		n := b.count.Load()
		once, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
		err := b.exchange(once, fmt.Sprintf("message %d", n))
		cancel()
		if err != nil {
			return fmt.Errorf("message %d: %w", n, err)
		}
		b.slowest = max(b.slowest, time.Since(start))
		b.count.Add(1)
	}
	return nil
}

// exchange says something and waits until it is there and acknowledged.
func (b *bystanders) exchange(ctx context.Context, text string) error {
	if _, err := b.chat.SendText(ctx, text, msnptest.Acknowledged); err != nil {
		return err
	}
	got, err := msnptest.WaitFor[msnptest.MessageArrived](ctx, b.answer, nil)
	if err != nil {
		return err
	}
	if got.Message.Text() != text {
		return fmt.Errorf("arrives as %q", got.Message.Text())
	}
	return nil
}
