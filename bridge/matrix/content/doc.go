// Package content translates the content of Matrix events into what the gateway
// shows its users, and their messages into content. [Decode] is the way in,
// [Encode] the way out; [Resolve] adds what only the event can tell that an answer,
// an edit or a vote refers to. [Source] is how a file of Matrix is named in
// a [bridge.Media].
//
// Nothing that somebody wrote is lost without a word: what cannot be shown is
// named in one short line. Only what no person would miss is left out, by name.
//
// All functions are pure but for the clock, safe from any goroutine, and take any
// content: an event is the word of a stranger.
package content
