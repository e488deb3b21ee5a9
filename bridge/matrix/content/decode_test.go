package content_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"papillon/bridge"
	"papillon/bridge/matrix/content"
	"papillon/bridge/text"
)

// newEvent makes an event as a homeserver sends it, its content not parsed.
func newEvent(t testing.TB, kind, raw string) *event.Event {
	t.Helper()
	data, err := json.Marshal(map[string]any{
		"type": kind, "sender": "@bob:hs.test", "room_id": "!r:hs.test", "event_id": "$x",
		"origin_server_ts": 1700000000000, "content": json.RawMessage(raw),
	})
	if err != nil {
		t.Fatal(err)
	}
	var evt event.Event
	if err := json.Unmarshal(data, &evt); err != nil {
		t.Fatal(err)
	}
	return &evt
}

func said(words string) bridge.MessageReceived {
	return bridge.MessageReceived{Kind: bridge.Said, Text: words}
}

func notice(words string) bridge.MessageReceived {
	return bridge.MessageReceived{Kind: bridge.Notice, Text: words}
}

func emoted(words string) bridge.MessageReceived {
	return bridge.MessageReceived{Kind: bridge.Emoted, Text: words}
}

// act is a message that does something to $1.
func act(a text.Act, words string) bridge.MessageReceived {
	m := said(words)
	m.Act, m.Target.Ref = a, "$1"
	return m
}

func quoting(m bridge.MessageReceived, author, quote string) bridge.MessageReceived {
	m.Target.Author, m.Target.Text = author, quote
	return m
}

func with(m bridge.MessageReceived, files ...bridge.Media) bridge.MessageReceived {
	m.Media = files
	return m
}

// check compares what an event is decoded to, but for its id and time.
func check(t *testing.T, name string, got bridge.MessageReceived, ok bool, want bridge.MessageReceived) {
	t.Helper()
	ignored := cmpopts.IgnoreFields(bridge.MessageReceived{}, "ID", "Sent")
	if diff := cmp.Diff(want, got, ignored); !ok || diff != "" {
		t.Errorf("%s: shown %v, -want +got:\n%s", name, ok, diff)
	}
}

func TestDecodeWords(t *testing.T) {
	bold := said("hi")
	bold.Style.Bold = true
	for _, c := range []struct {
		name, raw string
		want      bridge.MessageReceived
	}{
		{"text", `{"msgtype":"m.text","body":"hi"}`, said("hi")},
		{"line ends", `{"msgtype":"m.text","body":"\na\r\nb\rc \n"}`, said("a\nb\nc")},
		{"nothing", `{"msgtype":"m.text","body":" "}`, said("[an empty message]")},
		{"not UTF-8", `{"msgtype":"m.text","body":"a` + "\xff" + `b\u0000c"}`, said("a\uFFFDbc")},
		{"emote", `{"msgtype":"m.emote","body":"waves"}`, emoted("waves")},
		{"notice", `{"msgtype":"m.notice","body":"beep"}`, notice("beep")},
		{"all bold", `{"msgtype":"m.text","body":"**hi**","format":"org.matrix.custom.html","formatted_body":"<b>hi</b>"}`, bold},
		{"a part bold", `{"msgtype":"m.text","body":"x","format":"org.matrix.custom.html","formatted_body":"so <strong>very</strong> good"}`, said("so *very* good")},
		{"a list", `{"msgtype":"m.text","body":"x","format":"org.matrix.custom.html","formatted_body":"<ul><li>one</li><li>two</li></ul>"}`, said("- one\n- two")},
		{"mention", `{"msgtype":"m.text","body":"Alice: hi","format":"org.matrix.custom.html","formatted_body":"<a href=\"https://matrix.to/#/@alice:hs.test\">Alice</a>: hi","m.mentions":{"user_ids":["@alice:hs.test"]}}`, said("Alice: hi")},
		{"link", `{"msgtype":"m.text","body":"x","format":"org.matrix.custom.html","formatted_body":"see <a href=\"http://a.test/b\">here</a>"}`, said("see here (http://a.test/b)")},
		{"custom emoji", `{"msgtype":"m.text","body":"x","format":"org.matrix.custom.html","formatted_body":"<img data-mx-emoticon src=\"mxc://a/b\" alt=\":party:\">!"}`, said(":party:!")},
		{"another format", `{"msgtype":"m.text","body":"words","format":"x/y","formatted_body":"<b>no</b>"}`, said("words")},
		{"format without words", `{"msgtype":"m.text","body":"words","format":"org.matrix.custom.html","formatted_body":"<b> </b>"}`, said("words")},
		{"format with a quotation only", `{"msgtype":"m.text","body":"words","format":"org.matrix.custom.html","formatted_body":"<mx-reply>old</mx-reply>"}`, said("words")},
		{"verification", `{"msgtype":"m.key.verification.request","body":"x"}`, notice("[asks to verify encryption, which the gateway cannot do]")},
		{"unknown type with text", `{"msgtype":"com.example.x","body":"words"}`, said("words")},
		{"unknown type", `{"msgtype":"com.example.x"}`, notice("[a message that cannot be shown here: com.example.x]")},
		{"malformed", `{"msgtype":"m.text","body":[1]}`, notice("[a message that the gateway cannot read]")},
		{"location", `{"msgtype":"m.location","body":"home","geo_uri":"geo:48.2,16.37;u=35"}`, said("[location: home, 48.2,16.37] http://www.openstreetmap.org/?mlat=48.2&mlon=16.37")},
		{"location of a client without a name", `{"msgtype":"m.location","body":"Location was shared at geo:1,2,3 as of 2023","geo_uri":"geo:1,-2.1234567,3"}`, said("[location: 1,-2.12346] http://www.openstreetmap.org/?mlat=1&mlon=-2.12346")},
		{"location that is none", `{"msgtype":"m.location","body":"home","geo_uri":"geo:91,0"}`, said("[location: home, geo:91,0]")},
		{"location that is hostile", `{"msgtype":"m.location","body":"home","geo_uri":"geo:NaN,0x1p4&a=b\n"}`, said("[location: home, geo:NaN,0x1p4&a=b]")},
	} {
		got, ok := content.Decode(newEvent(t, "m.room.message", c.raw), false)
		check(t, c.name, got, ok, c.want)
	}
}

func TestDecodeRelations(t *testing.T) {
	const (
		reply    = `"m.relates_to":{"m.in_reply_to":{"event_id":"$1"}}`
		replaces = `"m.relates_to":{"rel_type":"m.replace","event_id":"$1"}`
	)
	styled := act(text.Replied, "that")
	styled.Style.Italic = true
	for _, c := range []struct {
		name, raw string
		want      bridge.MessageReceived
	}{
		{"reply", `{"msgtype":"m.text","body":"that",` + reply + `}`, act(text.Replied, "that")},
		{"old reply", `{"msgtype":"m.text","body":"> <@a:hs> what?\n> more\n\nthat",` + reply + `}`,
			quoting(act(text.Replied, "that"), "@a:hs", "what?\nmore")},
		{"old reply to an emote", `{"msgtype":"m.text","body":"> * <@a:hs> waves\n\nthat",` + reply + `}`,
			quoting(act(text.Replied, "that"), "@a:hs", "waves")},
		{"old reply with a format", `{"msgtype":"m.text","body":"> <@a:hs> what?\n\nthat","format":"org.matrix.custom.html","formatted_body":"<mx-reply><blockquote>what?</blockquote></mx-reply><i>that</i>",` + reply + `}`,
			quoting(styled, "@a:hs", "what?")},
		{"reply that is a quotation", `{"msgtype":"m.text","body":"> <@a:hs> what?",` + reply + `}`, act(text.Replied, "> <@a:hs> what?")},
		{"reply with a quotation of its own", `{"msgtype":"m.text","body":"> some poem\nnice",` + reply + `}`, act(text.Replied, "> some poem\nnice")},
		{"quotation that is no reply", `{"msgtype":"m.text","body":"> <@a:hs> what?\nthat"}`, said("> <@a:hs> what?\nthat")},
		{"emote in reply", `{"msgtype":"m.emote","body":"nods",` + reply + `}`, act(text.Replied, "* nods")},
		{"thread", `{"msgtype":"m.text","body":"more","m.relates_to":{"rel_type":"m.thread","event_id":"$1","is_falling_back":true,"m.in_reply_to":{"event_id":"$9"}}}`, act(text.Replied, "more")},
		{"reply in a thread", `{"msgtype":"m.text","body":"more","m.relates_to":{"rel_type":"m.thread","event_id":"$9","m.in_reply_to":{"event_id":"$1"}}}`, act(text.Replied, "more")},
		{"thread without a fallback", `{"msgtype":"m.text","body":"more","m.relates_to":{"rel_type":"m.thread","event_id":"$1"}}`, act(text.Replied, "more")},
		{"edit", `{"msgtype":"m.text","body":"* new","m.new_content":{"msgtype":"m.text","body":"new"},` + replaces + `}`, act(text.Edited, "new")},
		{"edited format", `{"msgtype":"m.text","body":"* new","m.new_content":{"msgtype":"m.text","body":"x","format":"org.matrix.custom.html","formatted_body":"<b>new</b>"},` + replaces + `}`, act(text.Edited, "new")},
		{"edited emote", `{"msgtype":"m.emote","body":"* x","m.new_content":{"msgtype":"m.emote","body":"waves"},` + replaces + `}`, act(text.Edited, "* waves")},
		{"edit without new content", `{"msgtype":"m.text","body":"* new",` + replaces + `}`, said("* new")},
		{"malformed relation", `{"msgtype":"m.text","body":"words","m.relates_to":7}`, notice("[a message that the gateway cannot read]")},
	} {
		got, ok := content.Decode(newEvent(t, "m.room.message", c.raw), false)
		check(t, c.name, got, ok, c.want)
	}
}

func TestDecodeOtherEvents(t *testing.T) {
	voted := notice("[voted in a poll]")
	voted.Target.Ref = "$1"
	ended := notice("[ended a poll]")
	ended.Target.Ref = "$1"
	for _, c := range []struct {
		name, kind, raw string
		want            bridge.MessageReceived
	}{
		{"encrypted", "m.room.encrypted", `{"algorithm":"m.megolm.v1.aes-sha2"}`, notice("[encrypted message that cannot be read]")},
		{"encrypted and malformed", "m.room.encrypted", `{"algorithm":7}`, notice("[encrypted message that cannot be read]")},
		{"reaction", "m.reaction", `{"m.relates_to":{"rel_type":"m.annotation","event_id":"$1","key":"👍"}}`, act(text.Reacted, "👍")},
		{"reaction with a picture", "m.reaction", `{"m.relates_to":{"rel_type":"m.annotation","event_id":"$1","key":"mxc://a/b"},"shortcode":":party:"}`, act(text.Reacted, ":party:")},
		{"reaction with a nameless picture", "m.reaction", `{"m.relates_to":{"rel_type":"m.annotation","event_id":"$1","key":"mxc://a/b"}}`, act(text.Reacted, "[a picture]")},
		{"malformed reaction", "m.reaction", `{"m.relates_to":7}`, notice("[reacted to a message]")},
		{"redaction", "m.room.redaction", `{"redacts":"$1","reason":"wrong window"}`, act(text.Deleted, "wrong window")},
		{"call", "m.call.invite", `{"call_id":"1"}`, notice("[is calling, which cannot be answered here]")},
		{"call of today", "m.rtc.notification", `{"notification_type":"ring"}`, notice("[is calling, which cannot be answered here]")},
		{"call of Element Call", "org.matrix.msc4075.rtc.notification", `{"notification_type":"ring"}`, notice("[is calling, which cannot be answered here]")},
		{"poll", "org.matrix.msc3381.poll.start", `{"org.matrix.msc3381.poll.start":{"question":{"org.matrix.msc1767.text":"Tea?"},"answers":[{"id":"1","org.matrix.msc1767.text":"yes"},{"id":"2","org.matrix.msc1767.text":"no"}]}}`, said("[poll: Tea?]\n1. yes\n2. no")},
		{"poll of today", "m.poll.start", `{"m.poll":{"question":{"m.text":[{"mimetype":"text/html","body":"<b>no</b>"},{"body":"Tea?"}]},"answers":[{"m.id":"1","m.text":[{"body":"yes"}]}]}}`, said("[poll: Tea?]\n1. yes")},
		{"malformed poll", "m.poll.start", `{"m.poll":7}`, said("[poll]")},
		{"vote", "m.poll.response", `{"m.relates_to":{"rel_type":"m.reference","event_id":"$1"},"m.selections":["1"]}`, voted},
		{"vote of before", "org.matrix.msc3381.poll.response", `{"m.relates_to":{"rel_type":"m.reference","event_id":"$1"},"org.matrix.msc3381.poll.response":{"answers":["1"]}}`, voted},
		{"malformed vote", "m.poll.response", `{"m.relates_to":7}`, notice("[voted in a poll]")},
		{"end", "m.poll.end", `{"m.relates_to":{"rel_type":"m.reference","event_id":"$1"}}`, ended},
		{"end of before", "org.matrix.msc3381.poll.end", `{"m.relates_to":{"rel_type":"m.reference","event_id":"$1"}}`, ended},
		{"place", "m.location", `{"m.location":{"uri":"geo:1,2","description":"home"}}`, said("[location: home, 1,2] http://www.openstreetmap.org/?mlat=1&mlon=2")},
		{"place without one", "m.location", `{"m.text":[{"body":"somewhere"}]}`, said("somewhere")},
		{"unknown event", "com.example.event", `{"x":1}`, notice("[something that cannot be shown here: com.example.event]")},
		{"unknown event with text", "com.example.event", `{"org.matrix.msc1767.text":"words"}`, said("words")},
		{"unknown event with texts", "com.example.event", `{"m.text":[{"body":"words"}]}`, said("words")},
	} {
		got, ok := content.Decode(newEvent(t, c.kind, c.raw), false)
		check(t, c.name, got, ok, c.want)
	}
}

func TestRedactionOfOldRooms(t *testing.T) {
	evt := newEvent(t, "m.room.redaction", `{"reason":"oops"}`)
	evt.Redacts = "$1"
	got, ok := content.Decode(evt, true)
	want := act(text.Deleted, "oops")
	want.Own = true
	check(t, "redaction", got, ok, want)
	if got, ok := content.Decode(newEvent(t, "m.room.redaction", `{}`), false); ok {
		t.Errorf("a redaction of nothing is shown: %+v", got)
	}
}

func TestSilentEvents(t *testing.T) {
	for _, kind := range []string{"m.call.candidates", "m.call.hangup", "m.key.verification.done", "m.beacon", "io.element.call.encryption_keys", "org.matrix.msc4310.rtc.decline"} {
		if got, ok := content.Decode(newEvent(t, kind, `{"body":"x"}`), false); ok {
			t.Errorf("%s is shown: %+v", kind, got)
		}
	}
	state := newEvent(t, "m.room.topic", `{"topic":"x"}`)
	state.StateKey = new(string)
	if got, ok := content.Decode(state, false); ok {
		t.Errorf("state is shown: %+v", got)
	}
}

// TestGoneEvents: of what was deleted before it came there is nothing to show, whatever
// it was.
func TestGoneEvents(t *testing.T) {
	for _, kind := range []string{"m.room.message", "m.room.encrypted", "m.sticker", "m.reaction", "m.poll.start", "com.example.event"} {
		if got, ok := content.Decode(newEvent(t, kind, `{}`), false); ok {
			t.Errorf("%s is shown: %+v", kind, got)
		}
	}
}

func TestDecodeWhoAndWhen(t *testing.T) {
	evt := newEvent(t, "m.room.message", `{"msgtype":"m.text","body":"hi","dev.papillon.message":"out-7"}`)
	got, _ := content.Decode(evt, true)
	if got.ID != "out-7" || !got.Own || got.Ref != "" {
		t.Errorf("the echo is %+v", got)
	}
	if got, _ = content.Decode(evt, false); got.ID != "$x" || got.Own {
		t.Errorf("a stranger passes for the user: %+v", got)
	}
	if !got.Sent.Equal(time.UnixMilli(1700000000000)) {
		t.Errorf("sent at %v", got.Sent)
	}
	if evt.Content.Parsed != nil {
		t.Error("the event was changed")
	}
	now := time.UnixMilli(1700000000000)
	for _, c := range []struct {
		name string
		at   int64
		want time.Time
	}{
		{"before", now.UnixMilli() - 5000, now.Add(-5 * time.Second)},
		{"soon", now.Add(time.Minute).UnixMilli(), now.Add(time.Minute)},
		{"far ahead", now.Add(time.Hour).UnixMilli(), now},
		{"never", 0, now},
		{"before all", -1, now},
	} {
		evt.Timestamp = c.at
		if got := content.SentAt(evt, now); !got.Equal(c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

func TestNoTextIsCut(t *testing.T) {
	long := strings.Repeat("é", 30<<10)
	got, _ := content.Decode(newEvent(t, "m.room.message", `{"msgtype":"m.text","body":"`+long+`"}`), false)
	if got.Text != long {
		t.Errorf("of %d bytes %d are left", len(long), len(got.Text))
	}
	// What no homeserver lets through is bounded all the same.
	got, _ = content.Decode(newEvent(t, "m.room.message", `{"msgtype":"m.text","body":"a`+strings.Repeat(long, 10)+`"}`), false)
	if len(got.Text) > 140<<10 || !strings.HasSuffix(got.Text, "é […]") {
		t.Errorf("%d bytes are left", len(got.Text))
	}
	// HTML that grows on the way falls back to the plain text.
	bomb := strings.Repeat("<blockquote>", 60) + strings.Repeat("x<br>", 8000)
	got, _ = content.Decode(newEvent(t, "m.room.message", `{"msgtype":"m.text","body":"plain","format":"org.matrix.custom.html","formatted_body":"`+bomb+`"}`), false)
	if got.Text != "plain" {
		t.Errorf("%d bytes of a bomb are shown", len(got.Text))
	}
}

// TestResolve completes events that refer to $1 with what $1 was.
func TestResolve(t *testing.T) {
	target := newEvent(t, "m.room.message", `{"msgtype":"m.text","body":"see you\nat 5"}`)
	picture := newEvent(t, "m.room.message", `{"msgtype":"m.image","body":"cat.jpg","url":"mxc://hs.test/abc"}`)
	redacted := newEvent(t, "m.room.message", `{}`)
	secret := newEvent(t, "m.room.encrypted", `{"algorithm":"x"}`)
	poll := newEvent(t, "m.poll.start", `{"m.poll":{"question":{"m.text":[{"body":"Tea?"}]},"answers":[{"m.id":"y","m.text":[{"body":"yes"}]},{"m.id":"n","m.text":[{"body":"no"}]},{"m.id":"s","m.text":[{"body":"sure"}]}]}}`)
	foreign := newEvent(t, "m.room.message", `{"msgtype":"m.text","body":"I owe you 100"}`)
	foreign.Sender = id.UserID("@alice:hs.test")
	reaction := newEvent(t, "m.reaction", `{"m.relates_to":{"rel_type":"m.annotation","event_id":"$0","key":"👍"}}`)
	withdrawn := newEvent(t, "m.reaction", `{}`)
	withdrawal := act(text.Unreacted, "")
	withdrawal.Target.Ref = ""
	unreacted := act(text.Unreacted, "👍")
	unreacted.Target.Ref = "$0"
	const (
		reply = `{"msgtype":"m.text","body":"> <@x:hs> forged\n\nyes","m.relates_to":{"m.in_reply_to":{"event_id":"$1"}}}`
		edit  = `{"msgtype":"m.text","body":"* new","m.new_content":{"msgtype":"m.text","body":"new"},"m.relates_to":{"rel_type":"m.replace","event_id":"$1"}}`
		vote  = `{"m.relates_to":{"rel_type":"m.reference","event_id":"$1"},"m.selections":["s","y"]}`
		old   = `{"m.relates_to":{"rel_type":"m.reference","event_id":"$1"},"org.matrix.msc3381.poll.response":{"answers":["n"]}}`
		none  = `{"m.relates_to":{"rel_type":"m.reference","event_id":"$1"},"m.selections":[]}`
		like  = `{"m.relates_to":{"rel_type":"m.annotation","event_id":"$1","key":"👍"}}`
	)
	unknown := notice("[voted in a poll]")
	unknown.Target.Ref = "$1"
	for _, c := range []struct {
		name, kind, raw string
		target          *event.Event
		want            bridge.MessageReceived
	}{
		{"reply", "m.room.message", reply, target, quoting(act(text.Replied, "yes"), "Bob", "see you at 5")},
		{"reply to a picture", "m.room.message", reply, picture, quoting(act(text.Replied, "yes"), "Bob", "cat.jpg")},
		{"reply to what was deleted", "m.room.message", reply, redacted, quoting(act(text.Replied, "yes"), "@x:hs", "forged")},
		{"reply to a secret", "m.room.message", reply, secret, quoting(act(text.Replied, "yes"), "@x:hs", "forged")},
		{"edit", "m.room.message", edit, target, quoting(act(text.Edited, "new"), "", "see you at 5")},
		{"edit of somebody else's", "m.room.message", edit, foreign, said("* new")},
		{"reaction", "m.reaction", like, target, quoting(act(text.Reacted, "👍"), "Bob", "see you at 5")},
		{"redaction", "m.room.redaction", `{"redacts":"$1"}`, redacted, act(text.Deleted, "")},
		{"redaction of what is remembered", "m.room.redaction", `{"redacts":"$1"}`, target, quoting(act(text.Deleted, ""), "", "see you at 5")},
		{"redaction by a moderator", "m.room.redaction", `{"redacts":"$1"}`, foreign, quoting(act(text.Deleted, ""), "Bob", "I owe you 100")},
		{"redaction of a reaction", "m.room.redaction", `{"redacts":"$1","reason":"no"}`, reaction, unreacted},
		{"redaction of a reaction that is not known", "m.room.redaction", `{"redacts":"$1"}`, withdrawn, withdrawal},
		{"vote", "m.poll.response", vote, poll, notice(`[voted for yes, sure in the poll "Tea?"]`)},
		{"vote of before", "org.matrix.msc3381.poll.response", old, poll, notice(`[voted for no in the poll "Tea?"]`)},
		{"vote taken back", "m.poll.response", none, poll, notice(`[took back a vote in the poll "Tea?"]`)},
		{"vote for no poll", "m.poll.response", vote, target, unknown},
		{"end", "m.poll.end", vote, poll, notice(`[ended the poll "Tea?"]`)},
	} {
		evt := newEvent(t, c.kind, c.raw)
		got, ok := content.Decode(evt, false)
		if got.Target.Ref != "$1" {
			t.Errorf("%s refers to %q", c.name, got.Target.Ref)
		}
		content.Resolve(&got, evt, content.OriginOf(c.target), "Bob", false)
		check(t, c.name, got, ok, c.want)
	}
	got := act(text.Edited, "new")
	content.Disown(&got)
	check(t, "disowned", got, true, said("* new"))
	got, _ = content.Decode(newEvent(t, "m.reaction", like), false)
	content.Resolve(&got, newEvent(t, "m.reaction", like), content.OriginOf(foreign), "Alice", true)
	own := act(text.Reacted, "👍")
	own.Target.Text, own.Target.Own = "I owe you 100", true
	check(t, "reaction to the user's own", got, true, own)
}

func TestOriginsAreSmall(t *testing.T) {
	long := strings.Repeat("x", 50<<10)
	if o := content.OriginOf(newEvent(t, "m.room.message", `{"msgtype":"m.text","body":"`+long+`"}`)); len(o.Text) > 1<<10 || len(o.Text) < 1000 {
		t.Errorf("%d bytes of a message", len(o.Text))
	}
	edit := content.OriginOf(newEvent(t, "m.room.message", `{"msgtype":"m.text","body":"* new","dev.papillon.message":"7","m.new_content":{"msgtype":"m.text","body":"new"},"m.relates_to":{"rel_type":"m.replace","event_id":"$1"}}`))
	if edit.Edited != "$1" || edit.Text != "new" || edit.Sent != "7" || edit.Sender != "@bob:hs.test" {
		t.Errorf("of an edit: %+v", edit)
	}
}
