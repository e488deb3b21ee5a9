package msnp_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"papillon/bridge"
	"papillon/msnp"
	"papillon/msnp/msnptest"
)

// richBackend is the gateway with sessions that offer more than they must.
type richBackend struct {
	msnp.Backend
	wrap func(msnp.Session, msnp.Notifier) msnp.Session
}

// Open implements [msnp.Backend].
func (b richBackend) Open(ctx context.Context, user msnp.Handle, client msnp.Client, notifier msnp.Notifier) (msnp.Session, error) {
	session, err := b.Backend.Open(ctx, user, client, notifier)
	if err != nil {
		return nil, err
	}
	return b.wrap(session, notifier), nil
}

// playWith plays lines against a service whose sessions are wrapped.
func playWith(t *testing.T, script string, wrap func(msnp.Session, msnp.Notifier) msnp.Session) {
	t.Helper()
	adjust := func(o *msnp.Options) { o.Backend = richBackend{o.Backend, wrap} }
	s := newService(t, testLimits, bridge.Limits{}, []func(*msnp.Options){adjust}).listen(t)
	playTranscript(t, []byte(script), s)
}

// networkGroups is a session that says which groups there are and keeps none.
type networkGroups struct{ msnp.Session }

// Properties implements [msnp.Session].
func (n networkGroups) Properties(ctx context.Context, reply func(msnp.Properties)) error {
	return n.Session.Properties(ctx, func(p msnp.Properties) {
		p.Groups = msnp.Groups{
			All: []msnp.Group{{ID: 1, Name: "Matrix"}},
			Of:  map[msnp.Handle][]uint32{"bob@example.org": {1}},
		}
		reply(p)
	})
}

// ownPhones are the lines of a user's own telephone numbers, none of which is set.
func ownPhones(conn int, trID string, serial string) string {
	var b strings.Builder
	for _, key := range []string{"PHH", "PHW", "PHM", "MOB N", "MBE N"} {
		fmt.Fprintf(&b, "S%d: PRP %s %s %s\n", conn, trID, serial, key)
	}
	return b.String()
}

// contactPhones are those of a contact's.
func contactPhones(conn int, handle, serial string) string {
	var b strings.Builder
	for _, key := range []string{"PHH", "PHW", "PHM", "MOB N"} {
		fmt.Fprintf(&b, "S%d: BPR %s %s %s\n", conn, serial, handle, key)
	}
	return b.String()
}

// TestGroupsOfANetwork: contacts of a network stand in a group of their own, until
// their user moves them.
func TestGroupsOfANetwork(t *testing.T) {
	playWith(t, `#: alice/7
C: ADD 10 FL bob@example.org bob
S: ADD 10 FL {*} bob@example.org Bob 0
C: SYN 11 0
S: SYN 11 {serial=*}
S: GTC 11 {serial} A
S: BLP 11 {serial} AL
`+ownPhones(1, "11", "{serial}")+`S: LSG 11 {serial} 1 2 0 Other%20Contacts 0
S: LSG 11 {serial} 2 2 1 Matrix 0
S: LST 11 FL {serial} 1 2 papillon@example.org Papillon 0
`+contactPhones(1, "papillon@example.org", "{serial}")+`S: LST 11 FL {serial} 2 2 bob@example.org Bob 1
`+contactPhones(1, "bob@example.org", "{serial}")+`S: LST 11 AL {serial} 1 1 papillon@example.org Papillon
S: LST 11 BL {serial} 0 0
S: LST 11 RL {serial} 0 0
C: ADG 12 Friends 0
S: ADG 12 {serial} Friends 2 0
C: ADD 13 FL bob@example.org bob@example.org 2
S: ADD 13 FL {serial} bob@example.org bob@example.org 2
C: LST 14 FL
S: LST 14 FL {serial} 1 2 papillon@example.org Papillon 0
S: LST 14 FL {serial} 2 2 bob@example.org Bob 1,2
C: REM 18 FL bob@example.org
S: REM 18 FL {serial=*} bob@example.org
C: ADD 19 FL bob@example.org bob@example.org
S: ADD 19 FL {serial=*} bob@example.org Bob 1
C: ADD 20 FL bob@example.org bob@example.org 2
S: ADD 20 FL {serial} bob@example.org bob@example.org 2
C: RMG 15 1
S: RMG 15 {serial} 1
C: LST 16 FL
S: LST 16 FL {serial} 1 2 papillon@example.org Papillon 0
S: LST 16 FL {serial} 2 2 bob@example.org Bob 2
C: LSG 17
S: LSG 17 {serial} 1 2 0 Other%20Contacts 0
S: LSG 17 {serial} 2 2 2 Friends 0
`, func(s msnp.Session, _ msnp.Notifier) msnp.Session { return networkGroups{s} })
}

// keeper is a session that keeps groups and telephone numbers, and notes what it is
// asked.
type keeper struct {
	msnp.Session
	notifier msnp.Notifier

	serial uint32
	groups msnp.Groups
	phones msnp.Phones
}

// next returns the next serial.
func (k *keeper) next() uint32 {
	k.serial++
	return k.serial
}

// Properties implements [msnp.Session].
func (k *keeper) Properties(ctx context.Context, reply func(msnp.Properties)) error {
	return k.Session.Properties(ctx, func(p msnp.Properties) {
		p.Serial, p.Groups, p.Phones = k.serial, k.groups, k.phones
		p.ContactPhones = map[msnp.Handle]msnp.Phones{"papillon@example.org": {msnp.PhoneWork: "1 2", msnp.MobileDevice: "Y"}}
		reply(p)
	})
}

// AddGroup implements [msnp.GroupKeeper].
func (k *keeper) AddGroup(_ context.Context, name string, reply func(uint32, uint32)) error {
	k.groups.All = append(k.groups.All, msnp.Group{ID: 7, Name: name})
	reply(k.next(), 7)
	return nil
}

// RenameGroup implements [msnp.GroupKeeper].
func (k *keeper) RenameGroup(_ context.Context, id uint32, _ string, reply func(uint32)) error {
	if id != 7 {
		return msnp.Errorf(msnp.CodeNoSuchGroup, "no group")
	}
	reply(k.next())
	return nil
}

// RemoveGroup implements [msnp.GroupKeeper].
func (k *keeper) RemoveGroup(_ context.Context, _ uint32, reply func(uint32)) error {
	reply(k.next())
	return nil
}

// PutInGroup implements [msnp.GroupKeeper].
func (k *keeper) PutInGroup(_ context.Context, handle, name string, id uint32, reply func(msnp.ListChange, msnp.Status)) error {
	reply(msnp.ListChange{List: msnp.Forward, Serial: k.next(), Contact: msnp.Member{Handle: msnp.Handle(handle), Name: name}, Group: id}, msnp.Busy)
	return nil
}

// TakeFromGroup implements [msnp.GroupKeeper].
func (k *keeper) TakeFromGroup(_ context.Context, handle string, id uint32, reply func(msnp.ListChange)) error {
	reply(msnp.ListChange{List: msnp.Forward, Serial: k.next(), Contact: msnp.Member{Handle: msnp.Handle(handle)}, Group: id})
	return nil
}

// SetPhone implements [msnp.PhoneKeeper]; it tells the user's own client as if it
// were that of a contact.
func (k *keeper) SetPhone(_ context.Context, key msnp.PhoneKey, value string, reply func(uint32)) error {
	k.phones = msnp.Phones{key: value}
	reply(k.next())
	k.notifier.(msnp.PhoneNotifier).ContactPhone("bob@example.org", key, value, k.next())
	return nil
}

// TestGroupsAndPhonesThatAreKept: a session that offers to keeps them, and the
// server adds nothing of its own.
func TestGroupsAndPhonesThatAreKept(t *testing.T) {
	wrap := func(s msnp.Session, n msnp.Notifier) msnp.Session {
		return &keeper{Session: s, notifier: n, serial: 100, groups: msnp.Groups{All: []msnp.Group{{Name: "~"}}}}
	}
	playWith(t, `#: alice/7
C: SYN 10 0
S: SYN 10 100
S: GTC 10 100 A
S: BLP 10 100 AL
`+ownPhones(1, "10", "100")+`S: LSG 10 100 1 1 0 ~ 0
S: LST 10 FL 100 1 1 papillon@example.org Papillon 0
S: BPR 100 papillon@example.org PHH
S: BPR 100 papillon@example.org PHW 1%202
S: BPR 100 papillon@example.org PHM
S: BPR 100 papillon@example.org MOB Y
S: LST 10 AL 100 1 1 papillon@example.org Papillon
S: LST 10 BL 100 0 0
S: LST 10 RL 100 0 0
C: ADG 11 Friends 0
S: ADG 11 101 Friends 7 0
C: REG 12 7 Others 0
S: REG 12 102 7 Others 0
C: REG 13 8 Others 0
S: 224 13
C: ADD 14 FL bob@example.org Bob 7
S: ADD 14 FL 103 bob@example.org Bob 7
S: ILN 14 BSY bob@example.org Bob
C: REM 15 FL bob@example.org 7
S: REM 15 FL 104 bob@example.org 7
C: RMG 16 7
S: RMG 16 105 7
C: PRP 17 PHM 5
S: PRP 17 106 PHM 5
S: BPR 107 bob@example.org PHM 5
C: PRP 18 MBE Y
S: PRP 18 108 MBE Y
S: <quiet>
`, wrap)
	// Dialects without numbers are not told of them.
	playWith(t, `#: alice/4
C: PRP 10 PHM 5
S: PRP 10 101 PHM 5
S: <quiet>
`, wrap)
}

// TestGroupOfAPushedContact: a contact that comes without being asked for has the
// group that the change names.
func TestGroupOfAPushedContact(t *testing.T) {
	notifiers := make(chan msnp.Notifier, 1)
	adjust := func(o *msnp.Options) {
		o.Backend = richBackend{o.Backend, func(s msnp.Session, n msnp.Notifier) msnp.Session {
			notifiers <- n
			return s
		}}
	}
	s := newService(t, testLimits, bridge.Limits{}, []func(*msnp.Options){adjust}).listen(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c, err := msnptest.Dial(ctx, s.addr, msnptest.Options{
		Handle: "alice@example.org", Password: password, Dialects: []string{"MSNP7"}, Status: msnp.Online,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	(<-notifiers).ListChanged(true, msnp.ListChange{List: msnp.Forward, Serial: 5, Contact: msnp.Member{Handle: "x@y", Name: "X"}, Group: 3})
	change, err := msnptest.WaitFor[msnptest.ListChanged](ctx, c, nil)
	if err != nil || change.Change.Group != 3 || change.Change.Contact.Name != "X" {
		t.Fatalf("got %+v (%v), want group 3", change, err)
	}
}
