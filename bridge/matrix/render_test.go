package matrix

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"maunium.net/go/mautrix/event"

	"papillon/bridge"
)

func TestRender(t *testing.T) {
	const reply = `"m.relates_to":{"m.in_reply_to":{"event_id":"$1"}}`
	for _, c := range []struct {
		name, kind, content string
		want                rendering
	}{
		{"text", "m.room.message", `{"msgtype":"m.text","body":"hi"}`, said("hi")},
		{"line ends", "m.room.message", `{"msgtype":"m.text","body":"a\r\nb\rc"}`, said("a\nb\nc")},
		{"formatted", "m.room.message", `{"msgtype":"m.text","body":"*hi*","format":"org.matrix.custom.html","formatted_body":"<b>hi</b>"}`, said("*hi*")},
		{"nothing", "m.room.message", `{"msgtype":"m.text","body":" "}`, said("[an empty message]")},
		{"emote", "m.room.message", `{"msgtype":"m.emote","body":"waves"}`, rendering{bridge.Emoted, "waves"}},
		{"notice", "m.room.message", `{"msgtype":"m.notice","body":"beep"}`, notice("beep")},
		{"reply", "m.room.message", `{"msgtype":"m.text","body":"> <@a:hs> what?\n> more\n\nthat",` + reply + `}`, said("that")},
		{"reply without quotation", "m.room.message", `{"msgtype":"m.text","body":"that",` + reply + `}`, said("that")},
		{"quotation that is no reply", "m.room.message", `{"msgtype":"m.text","body":"> <@a:hs> what?\nthat"}`, said("> <@a:hs> what?\nthat")},
		{"edit", "m.room.message", `{"msgtype":"m.text","body":"* new","m.new_content":{"msgtype":"m.text","body":"new"},"m.relates_to":{"rel_type":"m.replace","event_id":"$1"}}`, said("* new")},
		{"edited emote", "m.room.message", `{"msgtype":"m.emote","body":"* x","m.new_content":{"msgtype":"m.emote","body":"waves"},"m.relates_to":{"rel_type":"m.replace","event_id":"$1"}}`, rendering{bridge.Emoted, "* waves"}},
		{"edit without new content", "m.room.message", `{"msgtype":"m.text","body":"* new","m.relates_to":{"rel_type":"m.replace","event_id":"$1"}}`, said("* new")},
		{"picture", "m.room.message", `{"msgtype":"m.image","body":"cat.jpg","info":{"size":34816}}`, said("[picture: cat.jpg, 34 KB]")},
		{"picture with caption", "m.room.message", `{"msgtype":"m.image","body":"my cat","filename":"cat.jpg","info":{"size":500}}`, said("[picture: cat.jpg, 500 bytes]\nmy cat")},
		{"picture of nothing", "m.room.message", `{"msgtype":"m.image","body":""}`, said("[picture]")},
		{"video", "m.room.message", `{"msgtype":"m.video","body":"a.mp4","info":{"size":5242880}}`, said("[video: a.mp4, 5.0 MB]")},
		{"audio", "m.room.message", `{"msgtype":"m.audio","body":"a.ogg","info":{"duration":83000,"size":2048}}`, said("[audio: a.ogg, 1:23, 2 KB]")},
		{"voice", "m.room.message", `{"msgtype":"m.audio","body":"a.ogg","info":{"duration":5000},"org.matrix.msc3245.voice":{}}`, said("[voice message: 0:05]")},
		{"file", "m.room.message", `{"msgtype":"m.file","body":"a\nb.txt"}`, said("[file: a b.txt]")},
		{"location", "m.room.message", `{"msgtype":"m.location","body":"home","geo_uri":"geo:1,2"}`, said("[location: home, geo:1,2]")},
		{"verification", "m.room.message", `{"msgtype":"m.key.verification.request","body":"x"}`, notice("[asks to verify encryption, which the gateway cannot do]")},
		{"unknown type with text", "m.room.message", `{"msgtype":"com.example.x","body":"words"}`, said("words")},
		{"unknown type", "m.room.message", `{"msgtype":"com.example.x"}`, notice("[a message that cannot be shown here: com.example.x]")},
		{"malformed", "m.room.message", `{"msgtype":"m.text","body":[1]}`, notice("[a message that the gateway cannot read]")},
		{"malformed picture", "m.room.message", `{"msgtype":"m.image","body":"a","info":7}`, notice("[a message that the gateway cannot read]")},
		{"redacted", "m.room.message", `{}`, notice("[a message that was deleted]")},
		{"sticker", "m.sticker", `{"body":"party"}`, said("[sticker: party]")},
		{"encrypted", "m.room.encrypted", `{"algorithm":"m.megolm.v1.aes-sha2"}`, notice("[encrypted message: this room is encrypted, and the gateway cannot read it yet]")},
		{"encrypted and malformed", "m.room.encrypted", `{"algorithm":7}`, notice("[encrypted message: this room is encrypted, and the gateway cannot read it yet]")},
		{"reaction", "m.reaction", `{"m.relates_to":{"rel_type":"m.annotation","event_id":"$1","key":"👍"}}`, notice("[reacted with 👍]")},
		{"malformed reaction", "m.reaction", `{"m.relates_to":7}`, notice("[reacted to a message]")},
		{"call", "m.call.invite", `{"call_id":"1"}`, notice("[is calling, which cannot be answered here]")},
		{"poll", "org.matrix.msc3381.poll.start", `{"org.matrix.msc3381.poll.start":{"question":{"org.matrix.msc1767.text":"Tea?"},"answers":[{"id":"1","org.matrix.msc1767.text":"yes"},{"id":"2","org.matrix.msc1767.text":"no"}]}}`, said("[poll: Tea?]\n1. yes\n2. no")},
		{"poll of today", "m.poll.start", `{"m.poll":{"question":{"m.text":[{"body":"Tea?"}]},"answers":[{"m.id":"1","m.text":[{"body":"yes"}]}]}}`, said("[poll: Tea?]\n1. yes")},
		{"malformed poll", "m.poll.start", `{"m.poll":7}`, said("[poll]")},
		{"vote", "m.poll.response", `{}`, notice("[voted in a poll]")},
		{"unknown event", "com.example.event", `{"x":1}`, notice("[something that cannot be shown here: com.example.event]")},
		{"unknown event with text", "com.example.event", `{"org.matrix.msc1767.text":"words"}`, said("words")},
		{"unknown event with texts", "com.example.event", `{"m.text":[{"body":"words"}]}`, said("words")},
	} {
		got, ok := render(parsed(t, c.kind, c.content))
		if !ok || got != c.want {
			t.Errorf("%s: %+v, %v, want %+v", c.name, got, ok, c.want)
		}
	}
	for kind := range silentEvents {
		if got, ok := render(parsed(t, kind, `{}`)); ok {
			t.Errorf("%s is shown: %+v", kind, got)
		}
	}
}

// parsed reads an event as a transaction brings it.
func parsed(t *testing.T, kind, content string) *event.Event {
	t.Helper()
	data, err := json.Marshal(map[string]any{
		"type": kind, "sender": "@bob:hs.test", "room_id": "!r:hs.test", "event_id": "$x",
		"content": json.RawMessage(content),
	})
	if err != nil {
		t.Fatal(err)
	}
	evt, err := parseEvent(data)
	if err != nil {
		t.Fatal(err)
	}
	return evt
}

func TestLabelsAreShortAndWhole(t *testing.T) {
	long := label(strings.Repeat("é", 500))
	if len(long) > maxLabel+3 || !utf8.ValidString(long) || !strings.HasSuffix(long, "...") {
		t.Errorf("label is %q", long)
	}
	if got := label("a\xffb\nc"); got != "a\uFFFDb c" {
		t.Errorf("label is %q", got)
	}
}
