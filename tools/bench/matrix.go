package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"
	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"papillon/bridge"
	"papillon/bridge/matrix"
	"papillon/bridge/matrix/matrixtest"
	"papillon/msnp/body"
	"papillon/msnp/msnptest"
	"papillon/store"
)

const (
	// matrixUsers use their own Matrix accounts; each of them writes to somebody else
	// far away.
	matrixUsers = 200
	// matrixRooms is how many rooms each user is in: one direct chat, and those
	// that matrixCircle of them share.
	matrixRooms  = 20
	matrixCircle = 10
	// matrixRate is how many messages are to go through in a second. Dendrite with
	// SQLite may not carry so many on a small machine, whoever its clients are: at
	// matrixSlow the delay is that of the messages, not of its queue.
	matrixRate, matrixSlow = 20, 4
)

// plainFilter is what ordinary clients ask for.
const plainFilter = `{"room":{"state":{"lazy_load_members":true},"timeline":{"limit":50}}}`

// ownAccounts is a running load: MSN users with their own accounts on a homeserver,
// and people there.
type ownAccounts struct {
	exchange
	world   *matrixtest.Server
	meter   *meter // between Papillon and the homeserver
	users   int
	own     []*mautrix.Client // of the users: ordinary ones, in Papillon's place
	rooms   []id.RoomID       // of each user, with somebody far away
	fars    []*mautrix.Client
	clients []*msnptest.Client
	chats   []*msnptest.Switchboard
}

// listen syncs and marks as read as an ordinary client does until the context ends, and
// has what others say arrive.
func listen(ctx context.Context, c *mautrix.Client, since string, arrived func(words string)) {
	for ctx.Err() == nil {
		resp, err := c.FullSyncRequest(ctx, mautrix.ReqSync{Since: since, Timeout: 30_000, FilterID: plainFilter})
		if err != nil {
			settle(ctx, 100*time.Millisecond)
			continue
		}
		since = resp.NextBatch
		for id, room := range resp.Rooms.Join {
			for _, evt := range room.Timeline.Events {
				if words, ok := evt.Content.Raw["body"].(string); ok && evt.Sender != c.UserID {
					arrived(words)
					_ = c.MarkRead(ctx, id, evt.ID) // as Papillon does; who is not told needs no message
				}
			}
		}
	}
}

// startOwnAccounts starts the load's parts but for the MSN clients.
func startOwnAccounts(ctx context.Context, o options) (l *ownAccounts, err error) {
	l = &ownAccounts{exchange: newExchange("Dendrite"), users: matrixUsers}
	if o.quick {
		l.users /= 10
	}
	l.papillon, err = startPapillon(ctx, o, population{users: l.users, group: 1}, func(dir string, db *store.Store) ([]string, error) {
		for i := range l.users {
			if err := db.SetIdentity(ctx, bridge.IdentityRecord{
				Account: bridge.Handle(handle(i)), Network: matrix.Name, Kind: matrix.KindOwn,
				ID: bridge.RemoteID(fmt.Sprintf("@user%05d:%s", i, matrixtest.Domain)),
			}); err != nil {
				return nil, err
			}
		}
		return l.startWorld(ctx, o, dir)
	})
	return l, err
}

// startWorld starts the homeserver with all people and rooms, and returns the
// environment by which Papillon finds it.
func (l *ownAccounts) startWorld(ctx context.Context, o options, dir string) (env []string, err error) {
	home, err := freeAddress()
	if err != nil {
		return nil, err
	}
	if l.meter, err = newMeter(home, l.pass); err != nil {
		return nil, err
	}
	listen, err := freeAddress()
	if err != nil {
		return nil, err
	}
	env = []string{
		"PAPILLON_MATRIX_HOMESERVER_URL=http://" + l.meter.listener.Addr().String(),
		"PAPILLON_MATRIX_HOMESERVER_DOMAIN=" + matrixtest.Domain, "PAPILLON_MATRIX_LISTEN=" + listen,
	}
	files, err := registrations(ctx, o, dir, env)
	if err != nil {
		return nil, err
	}
	l.world, err = matrixtest.Start(ctx, matrixtest.Options{Registrations: files, Presence: true, Addr: home, Log: os.Stderr})
	if err != nil {
		return nil, err
	}
	l.relay = l.world.PID()
	began := time.Now()
	if err := l.populate(ctx); err != nil {
		return nil, err
	}
	fmt.Fprintf(os.Stderr, "# %d people are in %d rooms each, after %v\n", l.users, matrixRooms, time.Since(began).Round(time.Second))
	return env, nil
}

// registrations writes the registrations that the homeserver loads.
func registrations(ctx context.Context, o options, dir string, env []string) (files []string, err error) {
	program, err := filepath.Abs(o.papillon)
	if err != nil {
		return nil, err
	}
	for _, which := range [][]string{nil, {"--own"}} {
		cmd := exec.CommandContext(ctx, program, append([]string{"registration", "-c", filepath.Join(dir, "config.yaml")}, which...)...)
		cmd.Env = append(os.Environ(), env...)
		text, err := cmd.Output()
		if err != nil {
			return nil, fmt.Errorf("papillon registration: %w", err)
		}
		file := filepath.Join(dir, fmt.Sprintf("bench%d.yaml", len(which)))
		if err := os.WriteFile(file, text, 0o600); err != nil {
			return nil, err
		}
		files = append(files, file)
	}
	return files, nil
}

// populate makes people and their rooms: a direct chat of each user with somebody far
// away, and the rooms that some users share.
func (l *ownAccounts) populate(ctx context.Context) (err error) {
	l.own, l.fars = make([]*mautrix.Client, l.users), make([]*mautrix.Client, l.users)
	l.rooms = make([]id.RoomID, l.users)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(4)
	for i := range l.users {
		group.Go(func() (err error) {
			if l.own[i], err = l.world.CreateAccount(ctx, fmt.Sprintf("user%05d", i)); err != nil {
				return err
			}
			if l.fars[i], err = l.world.CreateAccount(ctx, fmt.Sprintf("far%05d", i)); err != nil {
				return err
			}
			l.rooms[i], err = chat(ctx, l.fars[i], l.own[i])
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return l.share()
}

// share makes the rooms that the users of each circle share.
func (l *ownAccounts) share() error {
	group, ctx := errgroup.WithContext(context.Background())
	group.SetLimit(4)
	for first := 0; first < l.users; first += matrixCircle {
		for k := range matrixRooms - 1 {
			group.Go(func() error {
				resp, err := l.own[first].CreateRoom(ctx, &mautrix.ReqCreateRoom{
					Preset: "public_chat", Name: fmt.Sprintf("Room %d of %d", k, first/matrixCircle),
				})
				if err != nil {
					return fmt.Errorf("make a room: %w", err)
				}
				for _, other := range l.own[first+1 : min(first+matrixCircle, l.users)] {
					if _, err := other.JoinRoomByID(ctx, resp.RoomID); err != nil {
						return fmt.Errorf("join a room: %w", err)
					}
				}
				return nil
			})
		}
	}
	return group.Wait()
}

// chat makes a direct chat of two people.
func chat(ctx context.Context, one, other *mautrix.Client) (id.RoomID, error) {
	resp, err := one.CreateRoom(ctx, &mautrix.ReqCreateRoom{Preset: "trusted_private_chat", IsDirect: true, Invite: []id.UserID{other.UserID}})
	if err != nil {
		return "", fmt.Errorf("make a direct chat: %w", err)
	}
	if _, err := other.JoinRoomByID(ctx, resp.RoomID); err != nil {
		return "", fmt.Errorf("join a direct chat: %w", err)
	}
	return resp.RoomID, nil
}

// open signs everybody in, has the people far away listen, and opens a window for
// each user.
func (l *ownAccounts) open(ctx context.Context) (err error) {
	l.clients, err = signInAll(ctx, l.papillon, l.users, 8, func(_ int, opts *msnptest.Options) { opts.Ignore = l.hear })
	return err
}

// sync has people sync with ordinary clients until the context ends.
func (l *ownAccounts) sync(ctx context.Context, clients []*mautrix.Client) error {
	group, reading := errgroup.WithContext(ctx)
	group.SetLimit(8)
	for _, c := range clients {
		group.Go(func() error {
			resp, err := c.FullSyncRequest(reading, mautrix.ReqSync{FilterID: plainFilter})
			if err != nil {
				return fmt.Errorf("sync as %s: %w", c.UserID, err)
			}
			go listen(ctx, c, resp.NextBatch, l.arrive)
			return nil
		})
	}
	return group.Wait()
}

// talk opens a window for each user.
func (l *ownAccounts) talk(ctx context.Context) error {
	l.chats = make([]*msnptest.Switchboard, l.users)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(8)
	for i, c := range l.clients {
		group.Go(func() (err error) {
			ctx, cancel := context.WithTimeout(ctx, signInTimeout)
			defer cancel()
			l.chats[i], err = c.Chat(ctx, fmt.Sprintf("far%05d@%s", i, matrixtest.Domain))
			return err
		})
	}
	return group.Wait()
}

// stop ends all parts.
func (l *ownAccounts) stop() {
	closeAll(l.clients)
	if l.papillon != nil {
		l.papillon.stop()
	}
	if l.meter != nil {
		_ = l.meter.listener.Close() // nothing is to come any more
	}
	if l.world != nil {
		_ = l.world.Stop()
	}
}

// outward sends from an MSN client to somebody far away.
func (l *ownAccounts) outward(ctx context.Context, k int, words string) error {
	raw := body.NewText(words, body.DefaultFormat()).Append(nil)
	_, err := l.chats[k%l.users].SendRaw(ctx, raw, msnptest.Unacknowledged)
	return err
}

// inward sends from somebody far away to a user.
func (l *ownAccounts) inward(ctx context.Context, k int, words string) error {
	user := k % l.users
	return say(ctx, l.fars[user], l.rooms[user], words)
}

// plainly sends from a user's ordinary client to somebody far away.
func (l *ownAccounts) plainly(ctx context.Context, k int, words string) error {
	user := k % l.users
	return say(ctx, l.own[user], l.rooms[user], words)
}

// say writes a text to a room.
func say(ctx context.Context, c *mautrix.Client, room id.RoomID, words string) error {
	_, err := c.SendMessageEvent(ctx, room, event.EventMessage, &event.MessageEventContent{MsgType: event.MsgText, Body: words})
	return err
}

// benchMatrix measures people with their own accounts on one homeserver: what a session
// takes, what syncing takes, and how long a message is on its way, each way,
// beside the same when they have ordinary clients in Papillon's place.
func benchMatrix(ctx context.Context, o options) (rows []row, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	l, err := startOwnAccounts(ctx, o)
	defer l.stop()
	if err != nil {
		return nil, err
	}
	if err := l.sync(ctx, l.fars); err != nil {
		return nil, err
	}
	ordinary, ended := context.WithCancel(ctx)
	defer ended()
	if err := l.sync(ordinary, l.own); err != nil {
		return nil, err
	}
	if rows, err = l.measure(ctx, o, rows, "ordinary client", l.inward, l.plainly); err != nil {
		return rows, err
	}
	ended()
	idle, err := l.idle(ctx, o)
	if err != nil {
		return rows, err
	}
	rows = append(rows, idle)
	if err := l.talk(ctx); err != nil {
		return rows, err
	}
	return l.measure(ctx, o, rows, "Papillon", l.inward, l.outward)
}

// measure sends both ways, slowly and at the rate that is wanted, and adds a row for
// each.
func (l *ownAccounts) measure(ctx context.Context, o options, rows []row, who string, in, out send) (_ []row, err error) {
	for _, rate := range [...]int{matrixSlow, matrixRate} {
		for _, way := range [...]struct {
			name string
			f    send
		}{{"in", in}, {"out", out}} {
			work := fmt.Sprintf("%s, %s, %d/s", way.name, who, rate)
			if rows, err = l.pace(ctx, o, rows, work, rate, way.f); err != nil {
				return rows, err
			}
		}
	}
	return rows, nil
}

// pace sends for a minute at some rate, and adds a row.
func (l *ownAccounts) pace(ctx context.Context, o options, rows []row, work string, rate int, f send) ([]row, error) {
	n := 60 * rate
	if o.quick {
		n /= 4
	}
	moved := l.meter.down.Load() + l.meter.up.Load()
	r, err := l.run(ctx, work, n, float64(rate), f)
	if err != nil {
		return rows, fmt.Errorf("%s: %w", work, err)
	}
	r.work = "Matrix: " + work
	r.note += fmt.Sprintf(", traffic each %.1f KiB", float64(l.meter.down.Load()+l.meter.up.Load()-moved)/1024/float64(n))
	fmt.Fprintf(os.Stderr, "# %s: p50 %v, %s\n", r.work, short(r.taken.quantile(0.5)), r.note)
	return append(rows, r), nil
}

// idle signs everybody in and measures what that takes.
func (l *ownAccounts) idle(ctx context.Context, o options) (r row, err error) {
	before, err := l.papillon.memory()
	if err != nil {
		return r, err
	}
	began := time.Now()
	if err := l.open(ctx); err != nil {
		return r, err
	}
	took := time.Since(began)
	watched := min(o.idleFor, time.Minute)
	settle(ctx, watched)
	first := l.meter.down.Load() + l.meter.up.Load()
	moved := first
	settle(ctx, watched)
	moved = l.meter.down.Load() + l.meter.up.Load() - moved
	after, err := l.papillon.memory()
	if err != nil {
		return r, err
	}
	users := float64(l.users)
	return row{
		work: "Matrix: idle", server: papillonName, count: l.users, lasted: took,
		note: fmt.Sprintf("%.0f KiB resident each; sign-in moves %.1f KiB, a quiet minute %.2f KiB each",
			float64(after-before)/1024/users, float64(first)/1024/users, float64(moved)/1024/users/watched.Minutes()),
	}, nil
}
