// Package msnptest drives an MSN server from the outside: with [Client], an
// MSN client that tests, benchmarks and demonstrations can program against,
// and with [Run], which plays a transcript of lines against a server. It is no
// test code itself and reports everything as errors.
//
// # Client
//
// [Dial] signs in. Requests wait for their own answer; what the server says
// unasked becomes an [Event] on a queue, from which [Client.Wait] and [WaitFor]
// take what they look for and leave the rest. A [Switchboard] works the same way.
// The client is strict: what a real server must not send ends up as
// [Unhandled], as an error of the request, or as the end of the connection.
//
//	alice, err := msnptest.Dial(ctx, addr, msnptest.Options{
//		Handle: "alice@example.org", Password: "secret", Status: msnp.Online})
//	chat, err := alice.Chat(ctx, "bob@example.org")
//	_, err = chat.SendText(ctx, "Hello", msnptest.Acknowledged)
//	reply, err := msnptest.WaitFor[msnptest.MessageArrived](ctx, chat, nil)
//
// # Transcripts
//
// A transcript is a text that reads as documentation: what the client sends and
// what the server must answer, line by line, in this order.
//
//	# Alice signs in and tells Bob hello.
//	C: VER 1 MSNP2
//	S: VER 1 MSNP2
//	C: USR 2 MD5 I alice@example.org
//	S: USR 2 MD5 S {challenge=*}
//	C: USR 3 MD5 S {md5:challenge}
//	S: USR 3 OK alice@example.org Alice
//	S: MSG Hotmail Hotmail {len}
//	    <any>
//	…
//	C2: MSG 4 A {len}
//	    MIME-Version: 1.0
//	    Content-Type: text/plain; charset=UTF-8
//
//	    Hello
//	S2: ACK 4
//
// A line that begins with # is a comment; blank lines mean nothing outside a
// body. Every other line begins with the side that speaks and the number of the
// connection, which is dialled at its first use; without a number it is
// connection 1:
//
//	C: text       the client sends this line and CRLF
//	C/lf: text    … and LF alone
//	C/raw: text   … and nothing; further bytes may follow in the next step
//	C: <close>    the client closes the connection
//	S: text       the next line from the server must be this, ended by CRLF
//	S/any: text   as S, but a run of these may come in any order
//	S: <closed>   the server must close the connection
//	S: <quiet>    the server must have nothing to say, see below
//	T: 2m         two minutes pass; for a test with the clock of testing/synctest
//
// Text is everything behind the one blank after the colon. In it stand
//
//	\r \n \t \0 \\ \{ \xHH   for the bytes that they name;
//	{name}            for a variable, given to Run or bound before;
//	{md5:name}        for the answer to the challenge in a variable, made with
//	                  the variable password (C only);
//	{md5:name:other}  for the same with the password in another variable;
//	{len}             for the length of the body that follows;
//	{*}               for any one word or part of one (S only);
//	{name=*}          for the same, which it binds to a variable (S only).
//
// In a run of S/any the lines without {*} should come first: what comes is
// compared with them in the order of the script.
//
// Lines that are indented are the body of the line above, without their
// indentation. CRLF comes between them and not after the last; a body that ends
// in line ends has them written out (\r\n). Blank lines between them belong to
// it. A body that is the one word <any> stands for whatever comes. A MSG from the
// server is always read with its body, and one that has a body never equals a
// line without.
//
// <quiet> sends a command that no server knows, ZZZ, with a transaction id of
// its own, and expects the error for it as the very next line. Since a server
// answers one connection in order, it has sent nothing before. What another
// connection causes may still be on its way when its own answer is there: look
// for something that comes later on the same connection in that case.
//
// Run fails at the first line that differs, with the script's name, the line's
// number, what was expected and what came; a difference is a [*MismatchError].
package msnptest
