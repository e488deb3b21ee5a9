// Package xmpptest starts and stops real XMPP servers, makes people on them and
// cuts connections to them, for tests, benchmarks and the demo.
//
// The servers are Prosody and ejabberd as Debian packages them. Each runs as a
// process of its own on free ports of loopback, with its data in a folder of its
// own, as an ordinary user when the caller is root, and dies with the process
// that started it. Nothing here needs a testing.T. The same calls work for both
// kinds, so that a suite ranges over [Kinds].
package xmpptest
