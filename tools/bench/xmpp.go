package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"papillon/bridge"
	"papillon/bridge/xmpp"
	"papillon/bridge/xmpp/stream"
	"papillon/bridge/xmpp/xmpptest"
	"papillon/msnp"
	"papillon/msnp/body"
	"papillon/msnp/msnptest"
	"papillon/store"
)

// benchLogins measures what linked accounts cost: each is a session of its own
// at an XMPP server.
func benchLogins(ctx context.Context, o options) ([]row, error) {
	users := 500
	if o.quick {
		users = 50
	}
	far, err := xmpptest.Start(ctx, xmpptest.Options{NoArchive: true})
	if err != nil {
		return nil, err
	}
	defer far.Stop()
	var jids []string
	for i := range users {
		jid, _, err := far.CreateUser(ctx, fmt.Sprintf("user%05d", i))
		if err != nil {
			return nil, err
		}
		jids = append(jids, jid)
	}
	link := func(dir string, db *store.Store) ([]string, error) {
		for i, jid := range jids {
			credentials, err := xmpp.Credentials{Password: xmpptest.Password(fmt.Sprintf("user%05d", i)), Address: far.ClientAddress}.Marshal()
			if err != nil {
				return nil, err
			}
			if err := db.SetIdentity(ctx, bridge.IdentityRecord{
				Account: bridge.Handle(handle(i)), Network: xmpp.Name, Kind: xmpp.KindLogin, ID: bridge.RemoteID(jid), Credentials: credentials,
			}); err != nil {
				return nil, err
			}
		}
		return []string{"PAPILLON_XMPP_CA=" + far.CAFile}, nil
	}
	var rows []row
	// The same users with and without accounts of their own: the difference is
	// what the sessions cost.
	var plain int64
	for _, prepare := range []func(string, *store.Store) ([]string, error){nil, link} {
		s, err := startPapillon(ctx, o, population{users: users, group: 1}, prepare)
		if err != nil {
			return nil, err
		}
		used, took, err := loggedIn(ctx, o, s, users, prepare != nil)
		s.stop()
		if err != nil {
			return nil, err
		}
		if prepare == nil {
			plain = used
			continue
		}
		rows = append(rows, row{
			work: "XMPP login session", server: papillonName, count: users, lasted: took,
			note: fmt.Sprintf("%.0f KiB resident each, the MSN session not counted", float64(used-plain)/1024/float64(users)),
		})
	}
	return rows, nil
}

// loggedIn signs users in and returns what the server's memory grew by.
func loggedIn(ctx context.Context, o options, s *server, users int, linked bool) (used int64, took time.Duration, err error) {
	before, err := s.memory()
	if err != nil {
		return 0, 0, err
	}
	began := time.Now()
	clients, err := signInAll(ctx, s, users, 8, func(_ int, opts *msnptest.Options) {
		opts.Ignore = func(msnptest.Event) bool { return true }
	})
	defer closeAll(clients)
	if err != nil {
		return 0, 0, err
	}
	took = time.Since(began)
	if linked {
		settle(ctx, o.idleFor) // the last sessions, and what they leave to collect
	}
	after, err := s.memory()
	return after - before, took, err
}

// far is somebody on an XMPP server, at the other end of the component.
type far struct {
	client  *stream.Client
	up      chan struct{}
	once    sync.Once
	arrived func(s *stream.Stanza)
}

// Stanza implements [stream.Handler].
func (f *far) Stanza(s *stream.Stanza, done func()) {
	if done != nil {
		done()
	}
	if s.Kind == stream.Message && s.Text("body") != "" {
		f.arrived(s)
	}
}

// Connected implements [stream.Handler].
func (f *far) Connected(bool) { f.once.Do(func() { close(f.up) }) }

// Disconnected implements [stream.Handler].
func (f *far) Disconnected(error) {}

// newFar logs somebody in.
func newFar(ctx context.Context, server *xmpptest.Server, name string, arrived func(*stream.Stanza)) (*far, error) {
	jid, password, err := server.CreateUser(ctx, name)
	if err != nil {
		return nil, err
	}
	f := &far{up: make(chan struct{}), arrived: arrived}
	f.client = stream.NewClient(stream.ClientOptions{
		JID: jid, Password: password, Resource: "bench", Address: server.ClientAddress, RootCAs: server.RootCAs, Log: zerolog.Nop(),
	}, f)
	f.client.Start()
	select {
	case <-f.up:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return f, f.client.Send(ctx, &stream.Stanza{Kind: stream.Presence})
}

// message is one for the load: not to be archived.
func message(to, words string) *stream.Stanza {
	return &stream.Stanza{Kind: stream.Message, To: to, Type: "chat", ID: words, Children: []*stream.Element{
		stream.NewText("", "body", words), stream.NewElement("urn:xmpp:hints", "no-store"),
	}}
}

// throughComponent is a running load: MSN users, the component, and people far
// away.
type throughComponent struct {
	exchange
	prosody *xmpptest.Server
	clients []*msnptest.Client
	chats   []*msnptest.Switchboard // one for each client
	fars    []*far
}

const (
	// componentUsers are the MSN users of the component, componentFars the
	// people far away whom they write to.
	componentUsers = 2000
	componentFars  = 8
)

// startComponent starts the load's parts, and opens a window for each user.
func startComponent(ctx context.Context, o options) (l *throughComponent, err error) {
	l = &throughComponent{exchange: newExchange("Prosody")}
	users := componentUsers
	if o.quick {
		users /= 10
	}
	if l.prosody, err = xmpptest.Start(ctx, xmpptest.Options{NoArchive: true}); err != nil {
		return l, err
	}
	l.relay = l.prosody.PID()
	for i := range componentFars {
		f, err := newFar(ctx, l.prosody, fmt.Sprintf("far%d", i), func(s *stream.Stanza) { l.arrive(s.Text("body")) })
		if err != nil {
			return l, err
		}
		l.fars = append(l.fars, f)
	}
	l.papillon, err = startPapillon(ctx, o, population{users: users, group: 1}, func(dir string, db *store.Store) ([]string, error) {
		for i := range componentFars {
			id := fmt.Sprintf("far%d@%s", i, l.prosody.Domain)
			if err := db.AddContact(ctx, bridge.ContactRecord{Handle: bridge.Handle(id), Network: xmpp.Name, ID: bridge.RemoteID(id)}); err != nil {
				return nil, err
			}
		}
		return []string{
			"PAPILLON_XMPP_COMPONENT_ADDRESS=" + l.prosody.ComponentAddress, "PAPILLON_XMPP_COMPONENT_DOMAIN=" + l.prosody.ComponentDomain,
			"PAPILLON_XMPP_COMPONENT_SECRET=" + l.prosody.Secret,
		}, nil
	})
	if err != nil {
		return l, err
	}
	return l, l.open(ctx, users)
}

// open signs everybody in and opens a window for each.
func (l *throughComponent) open(ctx context.Context, users int) (err error) {
	l.clients, err = signInAll(ctx, l.papillon, users, 8, func(_ int, opts *msnptest.Options) {
		opts.Ignore = l.hear
	})
	if err != nil {
		return err
	}
	l.chats = make([]*msnptest.Switchboard, users)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(8)
	for i, c := range l.clients {
		group.Go(func() (err error) {
			ctx, cancel := context.WithTimeout(ctx, signInTimeout)
			defer cancel()
			l.chats[i], err = c.Chat(ctx, fmt.Sprintf("far%d@%s", i%componentFars, l.prosody.Domain))
			return err
		})
	}
	return group.Wait()
}

// stop ends all parts.
func (l *throughComponent) stop() {
	closeAll(l.clients)
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	for _, f := range l.fars {
		_ = f.client.Close(ctx) // the server is about to be killed
	}
	if l.papillon != nil {
		l.papillon.stop()
	}
	if l.prosody != nil {
		_ = l.prosody.Stop()
	}
}

// outward sends from an MSN client to somebody far away.
func (l *throughComponent) outward(ctx context.Context, k int, words string) error {
	raw := body.NewText(words, body.DefaultFormat()).Append(nil)
	_, err := l.chats[k%len(l.chats)].SendRaw(ctx, raw, msnptest.Unacknowledged)
	return err
}

// inward sends from somebody far away to an MSN client.
func (l *throughComponent) inward(ctx context.Context, k int, words string) error {
	user := k % len(l.clients)
	local := msnp.Handle(l.clients[user].Self().Handle).Local()
	return l.fars[user%componentFars].client.Send(ctx, message(local+"@"+l.prosody.ComponentDomain, words))
}

// direct sends from somebody far away to somebody else there: the delay that is
// not ours.
func (l *throughComponent) direct(ctx context.Context, k int, words string) error {
	return l.fars[k%componentFars].client.Send(ctx, message(fmt.Sprintf("far%d@%s", (k+1)%componentFars, l.prosody.Domain), words))
}

// benchComponent measures messages through the component, as fast as they go and
// paced, each way, and beside it what the XMPP server alone takes.
func benchComponent(ctx context.Context, o options) (rows []row, err error) {
	l, err := startComponent(ctx, o)
	defer l.stop()
	if err != nil {
		return nil, err
	}
	n := 20000
	if o.quick {
		n /= 10
	}
	for _, part := range []struct {
		work      string
		perSecond float64
		f         send
	}{
		{"direct, as fast as it goes", 0, l.direct},
		{"inward, as fast as it goes", 0, l.inward},
		{"outward, as fast as it goes", 0, l.outward},
		{"direct, 200/s", 200, l.direct},
		{"inward, 200/s", 200, l.inward},
		{"outward, 200/s", 200, l.outward},
	} {
		count := n
		if part.perSecond > 0 {
			count = min(n, int(part.perSecond)*10)
		}
		r, err := l.run(ctx, part.work, count, part.perSecond, part.f)
		if err != nil {
			return rows, fmt.Errorf("%s: %w", part.work, err)
		}
		r.work = "XMPP component: " + part.work
		rows = append(rows, r)
	}
	return rows, nil
}
