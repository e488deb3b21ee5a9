// Package msnp is an MSN Messenger server: dispatch, notification and
// switchboard server in one, for clients of 1999 and the years after. It is a
// library. What users are, whom they know and what becomes of their messages is
// the business of a [Backend]; the package knows no database and no other
// network.
//
// # One port
//
// Old clients dial port 1863 whatever they are told, so a connection shows by
// its first commands what it is: VER or USR with a security package makes it a
// notification connection, USR with a cookie or ANS a switchboard connection.
// The dispatch server's role, referring a client elsewhere (draft-movva-00
// §4.1), is optional by §7.4 and not played: the client is signed in where it is.
//
// # Where what is
//
//	draft-movva-00   what                               file
//	§5.1, §5.3       connections, their life and end    server.go, conn.go, outgoing.go
//	§5.2, §5.6       lines, transaction ids             wire, command.go
//	§5.4, §5.7       handles, lists, states             vocabulary.go
//	§7.1             VER, layouts of the dialects       auth.go, dialect.go
//	§7.2, §7.3       INF, USR                           auth.go
//	§7.5, §7.6       SYN, LST, GTC, BLP                 notification.go
//	§7.7, §7.9       CHG, ILN, NLN, FLN                 presence.go
//	§7.8             ADD, REM, REA                      contacts.go
//	§7.10            OUT                                conn.go, notification.go
//	§7.11            errors                             errors.go, command.go
//	§8.1 to §8.4     XFR, USR, CAL, RNG, ANS, cookies   tickets.go, auth.go, switchboard.go
//	§8.5 to §8.8     JOI, BYE, MSG, ACK, NAK            switchboard.go, body
//
// # Who runs what
//
// Each connection has a reader goroutine, which runs the handlers one after the
// other, so answers keep the order of the commands. Sending only ever enqueues;
// a writer goroutine exists while there is something to write. A client that
// does not read fills its queue and is dropped, and nobody else notices.
package msnp
