// Package store keeps what the gateway must not lose: accounts and their app
// passwords, lists, identities, the ties between handles and people, and the
// messages on their way. It is SQLite behind plain structs; nothing of SQL is
// to be seen outside of it.
//
// A [Store] satisfies [bridge.Storage]. What the command line does beyond that
// (accounts, app passwords, identities) are methods of their own. A running
// gateway and the command line use one database at once, each with a Store of
// its own; [Store.AccountChanges] is how the one notices what the other did.
//
// Rules that all of it keeps:
//
//   - A method that changes something has it on the disk when it returns nil
//     (WAL with synchronous=FULL), and changes nothing when it returns an error.
//   - Every change of an account's lists, name or settings raises the
//     account's serial in the same transaction (draft-movva-00 §7.5).
//   - Handles are compared without case. Ids of rows are never given twice.
//   - Times are kept in milliseconds and come back in UTC.
//   - Passwords and credentials are sealed with a key that is not in the
//     database; see [NewKey].
//   - All methods are safe from any goroutine. Those that write take turns
//     within the process and wait some seconds for other processes.
//
// The statements keep to what SQLite and PostgreSQL share; where that is not
// possible the schema's files in upgrades/ say so line by line.
package store
