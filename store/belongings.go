package store

import (
	"context"

	"papillon/bridge"
	"papillon/msnp"
)

// belongings reads all that a session begins with in one statement: a statement
// costs more than its rows, and clients sign in all at once when a server comes
// back. The row of the account comes first, as that of list -1; its serial stands where
// an entry has the serial that it was added with.
//
// The CAST, here and elsewhere, keeps SQLite from preparing a cached statement anew, which
// takes longer than the rest: where a plan may depend on the value of a parameter
// (a bare one that is compared), each clearing of the parameters does that, and the
// driver clears them after each use.
const belongings = `
	SELECT -1, handle, name, serial, prompt, privacy, '', EXISTS (SELECT 1 FROM inbox WHERE account=CAST($1 AS TEXT))
	FROM account WHERE handle=CAST($1 AS TEXT)
	UNION ALL
	SELECT e.list, e.handle, e.name, e.added, COALESCE(c.network, ''), COALESCE(c.remote_id, ''), COALESCE(c.name, ''),
		COALESCE(c.room, false)
	FROM list_entry e LEFT JOIN contact c ON c.handle=e.handle AND e.list=0 WHERE e.account=CAST($1 AS TEXT)
	ORDER BY 1, 4
`

// Belongings is part of [bridge.Accounts].
func (s *Store) Belongings(ctx context.Context, handle bridge.Handle) (b bridge.Belongings, err error) {
	rows, err := s.read(ctx, belongings, fold(handle))
	if err != nil {
		return b, wrap(err, "read what belongs to %s", handle)
	}
	defer rows.Close()
	// Plain types: database/sql fills others by reflection. And once for all rows:
	// each has to be allocated.
	var list, serial int64
	var who, name, network, id, contactName string
	var flag, known bool
	for rows.Next() {
		if err = rows.Scan(&list, &who, &name, &serial, &network, &id, &contactName, &flag); err != nil {
			return b, wrap(err, "read what belongs to %s", handle)
		}
		if list < 0 {
			known = true
			b.Name, b.Serial, b.Prompt, b.Privacy, b.Waiting = name, uint32(serial), msnp.Prompt(network), msnp.Privacy(id), flag
			continue
		}
		b.Lists[list] = append(b.Lists[list], msnp.Member{Handle: msnp.Handle(who), Name: name})
		if network == "" {
			continue
		}
		if b.Contacts == nil {
			b.Contacts = make(map[bridge.Handle]bridge.ContactRecord)
		}
		b.Contacts[bridge.Handle(who)] = bridge.ContactRecord{
			Handle: bridge.Handle(who), Network: network, ID: bridge.RemoteID(id), Name: contactName, Room: flag,
		}
	}
	if err = rows.Err(); err == nil && !known {
		err = bridge.ErrNoAccount
	}
	return b, wrap(err, "read what belongs to %s", handle)
}
