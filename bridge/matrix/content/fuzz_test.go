package content_test

import (
	"encoding/json"
	"testing"
	"unicode/utf8"

	"maunium.net/go/mautrix/event"

	"papillon/bridge/matrix/content"
)

// FuzzDecode has any event decoded and resolved, with any other one as what it
// refers to: nothing panics, and everything keeps what Decode promises.
func FuzzDecode(f *testing.F) {
	for _, c := range [][2]string{
		{"m.room.message", `{"msgtype":"m.text","body":"> <@a:b> c\n\nd","format":"org.matrix.custom.html","formatted_body":"<b>d</b>","m.relates_to":{"m.in_reply_to":{"event_id":"$1"}}}`},
		{"m.room.message", `{"msgtype":"m.image","body":"a","filename":"b","file":{"url":"mxc://a.b/c",` + keys + `},"info":{"size":1,"mimetype":"a/b"}}`},
		{"m.room.message", `{"msgtype":"m.text","body":"* a","m.new_content":{"msgtype":"m.emote","body":"a"},"m.relates_to":{"rel_type":"m.replace","event_id":"$1"}}`},
		{"m.room.message", `{"msgtype":"m.location","body":"a","geo_uri":"geo:1,2,3;u=4"}`},
		{"m.reaction", `{"m.relates_to":{"rel_type":"m.annotation","event_id":"$1","key":"a"}}`},
		{"m.room.redaction", `{"redacts":"$1","reason":"a"}`},
		{"m.sticker", `{"body":"a","url":"mxc://a.b/c"}`},
		{"m.poll.start", `{"m.poll":{"question":{"m.text":[{"body":"a"}]},"answers":[{"m.id":"1","m.text":[{"body":"b"}]}]}}`},
		{"m.poll.response", `{"m.relates_to":{"rel_type":"m.reference","event_id":"$1"},"m.selections":["1"]}`},
		{"m.call.invite", `{}`}, {"a.b", `{"m.text":[{"body":"a"}]}`},
	} {
		f.Add(c[0], c[1], "m.poll.start", `{"m.poll":{"question":{"body":"a"},"answers":[{"m.id":"1"}]}}`)
	}
	f.Fuzz(func(t *testing.T, kind, raw, targetKind, targetRaw string) {
		evt, target := fuzzed(kind, raw), fuzzed(targetKind, targetRaw)
		if evt == nil || target == nil {
			return // no homeserver sends that
		}
		m, ok := content.Decode(evt, false)
		if !ok {
			return
		}
		content.Resolve(&m, evt, content.OriginOf(target), "Bob", false)
		if !utf8.ValidString(m.Text) || !utf8.ValidString(m.Target.Text) {
			t.Errorf("not UTF-8: %q, %q", m.Text, m.Target.Text)
		}
		if m.Text == "" && len(m.Media) == 0 && m.Act == "" {
			t.Error("nothing is shown")
		}
		if m.Act != "" && m.Target.Ref == "" {
			t.Errorf("%s of nothing", m.Act)
		}
		for _, file := range m.Media {
			source, err := content.ParseSource(file.Source)
			if err != nil || len(file.Source) > 16<<10 || source.String() != file.Source {
				t.Errorf("source %q: %v", file.Source, err)
			}
		}
	})
}

// fuzzed makes an event; nil for content that is no JSON object.
func fuzzed(kind, raw string) *event.Event {
	evt := &event.Event{Type: event.Type{Type: kind}, Sender: "@bob:hs.test", ID: "$x"}
	if json.Unmarshal([]byte(raw), &evt.Content) != nil {
		return nil
	}
	return evt
}
