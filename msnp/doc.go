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
// The dispatch server's role, referring a client elsewhere, is optional
// (draft-movva-00 §7.4) and switched on by [Options]: without it the client is
// signed in where it is.
//
// # Dialects
//
// MSNP2 to MSNP7 are spoken. What differs between them is the table of dialect.go
// and is written by layout.go; handlers know of no dialect.
//
// # What is where, and which transcript shows it
//
// The transcripts are in testdata/transcripts and are played by the tests against a
// whole server; package msnptest says how to read them.
//
//	draft-movva-00              code                          transcripts (or test)
//	§1 to §3 introduction       -                             nothing to implement
//	§4.1 Dispatch Server        referral.go                   7.4-xfr-ns
//	§4.2 Notification Server    notification.go               5.3-pipelined
//	§4.3 Switchboard Server     switchboard.go                8-chat
//	§5.1 Connection Type        server.go, conn.go            TestLastLineReachesHalfClosed
//	§5.2 Command Syntax         wire, command.go              5.2-syntax, 7.11-errors
//	§5.3 Asynchronous Requests  conn.go, outgoing.go          5.3-pipelined
//	§5.4 User Handles           vocabulary.go                 5.4-handles, 8.2-typed-handle
//	§5.5 Custom User Names      wire, dialect.go              5.5-names, rea
//	§5.6 Transaction Ids        wire, command.go              5.6-trid
//	§5.7 User List Types        vocabulary.go                 7.8-add-rem, 7.8-rename, 7.8-rename-seen, 7.9-block
//	§6 Command Summary          command.go                    all of them
//	§7.1 Versioning             auth.go, dialect.go           7.1-ver, ref-3.1-ver
//	§7.2 Policy Information     auth.go                       7.2-inf
//	§7.3 Authentication         auth.go                       7.3-usr, 7.3-before-sign-in
//	§7.4 Referral               referral.go, tickets.go       7.4-xfr-ns, 8.1-xfr
//	§7.5 Synchronization        notification.go, layout.go    7.5-syn, 7.5-held-back
//	§7.6 Lists and properties   notification.go, layout.go    7.6-lst-gtc-blp
//	§7.7 Client States          presence.go                   7.7-chg, 7.7-hdn-fln
//	§7.8 List Modifications     contacts.go                   7.8-add-rem
//	§7.9 Notifications          presence.go                   7.9-iln-nln-fln, 7.9-block
//	§7.10 Connection Close      conn.go, notification.go      7.10-out, 7.10-out-oth, TestShutdownSaysSSD
//	§7.11 Errors                errors.go, command.go         7.11-errors, 7.11-garbage
//	§8.1 Referral               notification.go, tickets.go   8.1-xfr
//	§8.2 Connections            auth.go, tickets.go           8.2-cookie-expires, 8.2-typed-handle
//	§8.3 Inviting               switchboard.go                8.3-cal-errors, 8.3-privacy, 8.3-cal-too-many
//	§8.4 Getting invited        auth.go, notification.go      8.4-three, 8.4-caller-gone, 8.4-callee-gone,
//	                                                          8.4-no-answer
//	§8.5 Participants           switchboard.go                8.4-three, 8-chat, 8.3-privacy
//	§8.6 Leaving                switchboard.go, conn.go       8-chat, 8.6-signed-out
//	§8.7 Instant Messages       switchboard.go                8-chat, 5.3-pipelined
//	§8.8 Receiving              switchboard.go, body          8.8-any-body, TestTextToANetwork
//
// Of these the server leaves out two things that the draft allows and does not ask
// for: it never refers a signed-in client elsewhere (XFR with the transaction id 0,
// §7.4), and never changes a client's state by itself (CHG with the same, §7.7).
//
// What clients send beyond the draft, and how the layouts went on:
//
//	what                                  code                        transcripts (or test)
//	VER with several dialects, CVR0, CVQ  dialect.go, services.go     ref-3.1-ver
//	the layouts of a dialect              dialect.go, layout.go       ref-4.2-msnp2, ref-4.2-msnp3, ref-4.2-msnp4,
//	                                                                  ref-4.2-msnp5, ref-4.2-msnp6, ref-4.2-msnp7
//	REA                                   contacts.go                 rea, 5.5-names
//	CVR, URL, PNG, SND, SDC, FND, PAG     services.go                 ref-4.3-side, ref-4.3-pages
//	PRP, BPR                              phones.go                   ref-4.3-side, TestGroupsAndPhonesThatAreKept
//	LSG, ADG, REG, RMG and group words    groups.go                   ref-4.3-groups, ref-4.3-groups-kept, ref-4.3-groups-removed,
//	                                                                  ref-4.3-groups-left, TestGroupsOfANetwork
//	IMS                                   services.go                 ref-4.3-ims
//	CHL, QRY                              challenge.go                ref-4.4-chl-qry
//	the profile message                   layout.go                   ref-4.2-msnp7
//	invitations to file transfer          switchboard.go, body        ref-7.4-invitation, TestFileToANetwork
//	a contact that takes commands         (the backend)               helper
//
// And the clients themselves, each with its manners: persona-gaim-2000, persona-gaim-0.6,
// persona-gaim-2001, persona-kde, persona-libmsn, persona-miranda, persona-msn-1.0,
// persona-msn-4.7, persona-perl, persona-tcl, persona-vb.
//
// # Where the draft is not followed
//
// Where the draft and the clients that were built for its successors collide, the
// draft holds for what it defines: an unchanged GTC or BLP is 218. In what keeps
// clients alive they win: a repeated ADD is 215 and never an echo (MSN.pm answers
// echoes for ever); JOI never goes to the joiner, though §8.5 says so (gaim makes a
// group chat of it); IRO counts the others without the joiner; MSG in mode A is
// acknowledged, though §8.7 says that it is not implemented; the answer to VER names
// more than one dialect; an error has no text (§7.11); the connection ends after a
// wrong password, though §7.3 lets the client try again.
//
// # Who runs what
//
// Each connection has a reader goroutine, which runs the handlers one after the
// other, so answers keep the order of the commands. Sending only ever enqueues;
// a writer goroutine exists while there is something to write. A client that
// does not read fills its queue and is dropped, and nobody else notices. Two
// clients do not read all there is, and get what they need apart; see pause.go.
package msnp
