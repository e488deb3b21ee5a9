package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"papillon/bridge/matrix/matrixtest"
	"papillon/msnp"
)

// ghost is alice as Matrix sees her.
const ghost = id.UserID("@msn_alice:" + matrixtest.Domain)

// typingTime is how long somebody on Matrix seems to type.
const typingTime = 10 * time.Second

// matrixNetwork shows Matrix: the homeserver Dendrite with Papillon as its
// appservice.
type matrixNetwork struct {
	address string // where the homeserver listens
	server  *matrixtest.Server
	people  map[string]*matrixPerson
}

func (*matrixNetwork) title() string { return "Matrix" }

func (*matrixNetwork) self() string { return string(ghost) }

func (n *matrixNetwork) settings() ([]string, error) {
	addrs, err := freeAddrs(3)
	if err != nil {
		return nil, err
	}
	n.address = addrs[0]
	return []string{
		"PAPILLON_MATRIX_LISTEN=" + addrs[1],
		"PAPILLON_MATRIX_HOMESERVER_URL=http://" + n.address,
		"PAPILLON_MATRIX_HOMESERVER_DOMAIN=" + matrixtest.Domain,
		"PAPILLON_HTTP_LISTEN=" + addrs[2], // for links to pictures
		"PAPILLON_PRESENCE_POLL=1s",
	}, nil
}

func (n *matrixNetwork) start(ctx context.Context, dir string, out *printer) error {
	data := filepath.Join(dir, "dendrite")
	if err := os.Mkdir(data, 0o700); err != nil {
		return fmt.Errorf("make the homeserver's folder: %w", err)
	}
	out.note("starting the homeserver Dendrite for %s", matrixtest.Domain)
	server, err := matrixtest.Start(ctx, matrixtest.Options{
		Registrations: []string{filepath.Join(dir, "registration-msn.yaml")},
		Presence:      true, Addr: n.address, Dir: data, Log: os.Stdout,
	})
	if err != nil {
		return err
	}
	n.server, n.people = server, make(map[string]*matrixPerson)
	for _, name := range []string{"bob", "carol"} {
		p, err := server.CreateUser(ctx, name)
		if err != nil {
			return err
		}
		n.people[name] = &matrixPerson{Person: p}
		if err := p.SetDisplayName(ctx, strings.ToUpper(name[:1])+name[1:]); err != nil {
			return fmt.Errorf("name %s: %w", name, err)
		}
	}
	return n.people["bob"].SetPresence(ctx, event.PresenceOnline, "")
}

// connected implements network: the homeserver was there before Papillon.
func (n *matrixNetwork) connected(context.Context) error { return nil }

func (n *matrixNetwork) bob() person { return n.people["bob"] }

func (n *matrixNetwork) carol() person { return n.people["carol"] }

func (n *matrixNetwork) invite() string {
	return fmt.Sprintf(`and with a Matrix client:

    homeserver  %s
    users       @bob:%s (password %s), @carol:%s (password %s)`,
		n.server.URL, matrixtest.Domain, matrixtest.Password("bob"), matrixtest.Domain, matrixtest.Password("carol"))
}

func (n *matrixNetwork) stop() error {
	for _, p := range n.people {
		p.Close()
	}
	if n.server == nil {
		return nil
	}
	return n.server.Stop()
}

// matrixPerson is somebody with a Matrix client.
type matrixPerson struct {
	*matrixtest.Person
	room id.RoomID // with alice
}

func (p *matrixPerson) address() string { return string(p.UserID) }

func (p *matrixPerson) handle() string { return p.UserID.Localpart() + "@" + p.UserID.Homeserver() }

// meet implements person: on Matrix, nobody is asked before the first message.
func (p *matrixPerson) meet(context.Context) error { return nil }

func (p *matrixPerson) join(ctx context.Context) error {
	invite, err := p.WaitInvite(ctx, ghost)
	if err != nil {
		return err
	}
	p.room = invite.RoomID
	return p.Join(ctx, p.room)
}

func (p *matrixPerson) approach(ctx context.Context) (err error) {
	if p.room, err = p.CreateDM(ctx, ghost); err != nil {
		return err
	}
	_, err = p.WaitMember(ctx, p.room, ghost, event.MembershipJoin)
	return err
}

func (p *matrixPerson) say(ctx context.Context, words string) error {
	_, err := p.Say(ctx, p.room, words)
	return err
}

func (p *matrixPerson) read(ctx context.Context, words string) error {
	_, err := p.WaitText(ctx, ghost, words)
	return err
}

func (p *matrixPerson) typeOn(ctx context.Context) error {
	if _, err := p.UserTyping(ctx, p.room, true, typingTime); err != nil {
		return fmt.Errorf("type as %s: %w", p.UserID, err)
	}
	return nil
}

func (p *matrixPerson) seeTyping(ctx context.Context) error {
	_, err := p.Wait(ctx, "alice to type", func(evt *event.Event) bool {
		typing, ok := evt.Content.Parsed.(*event.TypingEventContent)
		return ok && evt.RoomID == p.room && slices.Contains(typing.UserIDs, ghost)
	})
	return err
}

func (p *matrixPerson) show(ctx context.Context, status msnp.Status) error {
	presence, ok := map[msnp.Status]event.Presence{
		msnp.Online: event.PresenceOnline, msnp.Away: event.PresenceUnavailable, msnp.Offline: event.PresenceOffline,
	}[status]
	if !ok {
		return errors.New("there is no presence for " + string(status))
	}
	return p.SetPresence(ctx, presence, "")
}

func (p *matrixPerson) see(ctx context.Context, status msnp.Status) error {
	_, err := p.Wait(ctx, "alice to be "+string(status), func(evt *event.Event) bool {
		content, ok := evt.Content.Parsed.(*event.PresenceEventContent)
		if !ok || evt.Sender != ghost {
			return false
		}
		if status == msnp.Offline {
			return content.Presence == event.PresenceOffline
		}
		return content.StatusMessage == "Busy"
	})
	return err
}
