package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	_ "github.com/mattn/go-sqlite3" // for carol's keys
	"go.mau.fi/util/dbutil"
	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"papillon/bridge/matrix/matrixtest"
	"papillon/msnp/msnptest"
)

// encrypted has carol make an encrypted room with a client that can, and both
// write in it; her other client, which has no keys, shows what the homeserver has.
func (s *matrixScenes) encrypted(ctx context.Context) (err error) {
	keys, err := dbutil.NewWithDialect("file:"+filepath.Join(s.dir, "carol.db")+"?_txlock=immediate&_journal_mode=WAL", "sqlite3")
	if err != nil {
		return fmt.Errorf("open the keys of carol: %w", err)
	}
	defer func() { err = errors.Join(err, keys.Close()) }()
	client, err := s.server.LoginEncrypted(ctx, s.carol.UserID.Localpart(), keys)
	if err != nil {
		return err
	}
	defer client.Close()
	room, err := client.Encrypt(ctx, ghost)
	if err != nil {
		return err
	}
	if _, err := s.carol.WaitMember(ctx, room, ghost, event.MembershipJoin); err != nil {
		return err
	}
	if err := awaitKeys(ctx, client, ghost); err != nil {
		return err
	}
	const secret = "This is between us"
	s.out.far("%s, encrypted: %s", s.carol.address(), secret)
	if _, err := client.SendText(ctx, room, secret); err != nil {
		return fmt.Errorf("send as carol: %w", err)
	}
	window, err := s.answerRing(ctx, s.carol.handle())
	if err != nil {
		return err
	}
	if err := s.reads(ctx, window, s.carol.handle(), secret); err != nil {
		return err
	}
	const answer = "Not a word to anybody"
	if _, err := window.SendText(ctx, answer, msnptest.Acknowledged); err != nil {
		return err
	}
	if err := s.unseal(ctx, client, room, answer); err != nil {
		return err
	}
	return window.Leave(ctx)
}

// awaitKeys waits until somebody has published the keys of a device: what is written
// before that can be read by nobody there, ever.
func awaitKeys(ctx context.Context, client *matrixtest.Encrypted, who id.UserID) error {
	for {
		keys, err := client.QueryKeys(ctx, &mautrix.ReqQueryKeys{DeviceKeys: map[id.UserID]mautrix.DeviceIDList{who: {}}})
		if err != nil {
			return fmt.Errorf("ask for the keys of %s: %w", who, err)
		}
		if len(keys.DeviceKeys[who]) > 0 {
			return nil
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("wait for the keys of %s: %w", who, ctx.Err())
		}
	}
}

// unseal waits until carol has read alice's answer and makes sure that the
// homeserver has not.
func (s *matrixScenes) unseal(ctx context.Context, client *matrixtest.Encrypted, room id.RoomID, words string) error {
	for {
		evt, err := client.Next(ctx)
		if err != nil {
			return fmt.Errorf("carol waits for %q: %w", words, err)
		}
		if evt.RoomID != room { // what was said before she signed in here
			continue
		}
		if body := evt.Content.AsMessage().Body; body != words || !evt.Mautrix.WasEncrypted {
			return fmt.Errorf("carol reads %q, encrypted: %v", body, evt.Mautrix.WasEncrypted)
		}
		break
	}
	s.out.far("%s, encrypted: %s", ghost, words)
	s.out.seen("carol reads it")
	evt, err := s.carol.Wait(ctx, "the encrypted event", func(evt *event.Event) bool {
		return evt.RoomID == room && evt.Sender == ghost && evt.Type.Type == event.EventEncrypted.Type
	})
	if err != nil {
		return err
	}
	if body, ok := evt.Content.Raw["body"]; ok {
		return fmt.Errorf("the encrypted event shows %q", body)
	}
	s.out.seen("the homeserver has %s (%s) and not a word of it", evt.Type.Type, evt.Content.Raw["algorithm"])
	return nil
}
