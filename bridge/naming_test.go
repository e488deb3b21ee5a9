package bridge_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"papillon/bridge"
	"papillon/msnp"
)

// slowNames takes its time to store the name that was chosen first, and counts.
type slowNames struct {
	bridge.Storage
	writes atomic.Int32
}

func (s *slowNames) RenameEntry(ctx context.Context, account bridge.Handle, entry msnp.Member) (uint32, error) {
	if s.writes.Add(1); entry.Name == "Alice 0" {
		<-time.After(2 * time.Second)
	}
	return s.Storage.RenameEntry(ctx, account, entry)
}

// Who changes his name all the time is known by the last one, and keeps the store no
// busier than one who does it every second.
func TestManyNames(t *testing.T) {
	for _, watcher := range []msnp.Status{msnp.Online, msnp.Offline} {
		t.Run("watched by "+watcher.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				db := openStore(t, t.TempDir(), alice, carol)
				slow := &slowNames{Storage: db}
				g := startGateway(t, db, func(o *bridge.Options) { o.Storage = slow })
				c := open(t, g, carol, msnp.Online)
				must(t, c.add(msnp.Forward, string(alice)))
				if watcher == msnp.Offline {
					c.session.Close()
				}
				a := open(t, g, alice, msnp.Online)
				for i := range 101 {
					must(t, a.session.Rename(t.Context(), string(alice), fmt.Sprintf("Alice %d", i), func(uint32, msnp.Member) {}))
					<-time.After(20 * time.Millisecond)
				}
				<-time.After(time.Minute)
				if watcher != msnp.Offline {
					c.session.Close()
				}
				a.setStatus(msnp.Hidden) // else carol learns the name from the status
				c = open(t, g, carol, msnp.Online)
				if fl := c.properties().Lists[msnp.Forward]; len(fl) != 2 || fl[1].Name != "Alice 100" {
					t.Errorf("FL %v", fl)
				}
				if n := slow.writes.Load(); n > 10 {
					t.Errorf("%d names were stored", n)
				}
				a.session.Close()
				c.session.Close()
				stopGateway(t, g)
				must(t, db.Close())
			})
		})
	}
}

// The name of a contact who is there is his own, whatever was stored.
func TestNameThatWasNotStored(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		c := open(t, w.g, carol, msnp.Online)
		must(t, c.add(msnp.Forward, string(alice)))
		c.session.Close()
		_, err := w.db.SetAccountName(t.Context(), alice, "Queen Alice")
		must(t, err)
		a := open(t, w.g, alice, msnp.Online)
		c = open(t, w.g, carol, msnp.Online)
		if fl := c.properties().Lists[msnp.Forward]; len(fl) != 2 || fl[1].Name != "Queen Alice" {
			t.Errorf("FL %v", fl)
		}
		a.session.Close()
		c.session.Close()
	})
}
