package content_test

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"maunium.net/go/mautrix/event"

	"papillon/bridge"
	"papillon/bridge/matrix/content"
	"papillon/bridge/text"
)

func TestEncode(t *testing.T) {
	for _, c := range []struct {
		name string
		out  bridge.Outgoing
		want string
	}{
		{"plain", bridge.Outgoing{ID: "7", Text: "hi\nthere"}, `{"body":"hi\nthere","msgtype":"m.text","dev.papillon.message":"7"}`},
		{"emote", bridge.Outgoing{Text: "/me waves"}, `{"msgtype":"m.emote","body":"waves"}`},
		{"emote without words", bridge.Outgoing{Text: "/me "}, `{"msgtype":"m.text","body":"/me "}`},
		{"no emote", bridge.Outgoing{Text: "/methinks"}, `{"msgtype":"m.text","body":"/methinks"}`},
		{"bold", bridge.Outgoing{Text: "a < b", Style: text.Style{Bold: true}}, `{"msgtype":"m.text","body":"a < b","format":"org.matrix.custom.html","formatted_body":"<strong>a &lt; b</strong>"}`},
		{"font alone", bridge.Outgoing{Text: "hi", Style: text.Style{Font: "Comic Sans MS"}}, `{"msgtype":"m.text","body":"hi"}`},
		{"coloured emote", bridge.Outgoing{Text: "/me waves", Style: text.Style{Color: 0xff0000, Colored: true}}, `{"msgtype":"m.emote","body":"waves","format":"org.matrix.custom.html","formatted_body":"<font color=\"#ff0000\" data-mx-color=\"#ff0000\">waves</font>"}`},
	} {
		raw, err := json.Marshal(content.Encode(c.out))
		if err != nil {
			t.Fatal(err)
		}
		var got, want any
		if json.Unmarshal(raw, &got) != nil || json.Unmarshal([]byte(c.want), &want) != nil {
			t.Fatalf("%s: %s", c.name, raw)
		}
		if g, w := canonical(t, got), canonical(t, want); g != w {
			t.Errorf("%s: %s\nwant %s", c.name, g, w)
		}
	}
}

// canonical writes JSON in one way.
func canonical(t *testing.T, v any) string {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func TestWhatIsWrittenIsReadBack(t *testing.T) {
	for _, out := range []bridge.Outgoing{
		{ID: "1", Text: "hi & <bye>\n  \"two\" "}, {ID: "2", Text: "one\ntwo", Style: text.Style{Bold: true, Strike: true}},
		{ID: "3", Text: "red 🎉", Style: text.Style{Italic: true, Color: 0xff, Colored: true}},
	} {
		raw := canonical(t, content.Encode(out))
		got, ok := content.Decode(newEvent(t, "m.room.message", raw), true)
		if !ok || got.ID != out.ID || got.Text != strings.TrimRight(out.Text, " ") || got.Style != out.Style || got.Kind != bridge.Said {
			t.Errorf("%+v is read back as %+v from %s", out, got, raw)
		}
	}
}

func TestLongTextsFitIntoEvents(t *testing.T) {
	for name, words := range map[string]string{
		"words": strings.Repeat("word ", 20_000), "one": strings.Repeat("é", 40_000), "escapes": strings.Repeat("\"\\", 30_000),
		"entities": strings.Repeat("<&>", 20_000), "short": "hi", "lines": strings.Repeat("a\n\n", 20_000),
	} {
		out := bridge.Outgoing{ID: "1", Text: words, Style: text.Style{Bold: true}}
		var joined strings.Builder
		for _, piece := range content.Split(out) {
			if piece.ID != "1" || piece.Style != out.Style {
				t.Fatalf("%s: a piece is %+v", name, piece)
			}
			c := content.Encode(piece)
			raw := canonical(t, c.Parsed)
			// Homeservers count without the escapes of < > & that Go makes.
			raw = strings.NewReplacer(`\u003c`, "<", `\u003e`, ">", `\u0026`, "&").Replace(raw)
			if len(raw) > 45<<10 {
				t.Errorf("%s: an event of %d bytes", name, len(raw))
			}
			if body := c.Parsed.(*event.MessageEventContent).Body; !utf8.ValidString(body) {
				t.Errorf("%s: cut inside a character", name)
			}
			joined.WriteString(piece.Text)
		}
		blanks := strings.NewReplacer(" ", "", "\n", "")
		if blanks.Replace(joined.String()) != blanks.Replace(words) {
			t.Errorf("%s: something is lost", name)
		}
	}
}
