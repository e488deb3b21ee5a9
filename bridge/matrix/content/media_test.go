package content_test

import (
	"strings"
	"testing"

	"maunium.net/go/mautrix/crypto/attachment"
	"maunium.net/go/mautrix/id"

	"papillon/bridge"
	"papillon/bridge/matrix/content"
	"papillon/bridge/text"
)

// keys are those of an encrypted file, without its address.
const keys = `"v":"v2","key":{"k":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8","alg":"A256CTR","ext":true,"kty":"oct","key_ops":["encrypt","decrypt"]},` +
	`"iv":"AAECAwQFBgcAAAAAAAAAAA","hashes":{"sha256":"LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ"}`

func TestDecodeFiles(t *testing.T) {
	const uri = "mxc://hs.test/abc-D_9"
	file := func(name, mime string, size int64) bridge.Media {
		return bridge.Media{Source: uri, Name: name, Type: mime, Size: size}
	}
	voice := file("a.ogg", "audio/ogg", 0)
	voice.Voice = true
	secret := file("cat.jpg", "image/jpeg", 5)
	secret.Source = `{"key":{"k":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8","alg":"A256CTR","ext":true,"kty":"oct","key_ops":["encrypt","decrypt"]},"iv":"AAECAwQFBgcAAAAAAAAAAA","hashes":{"sha256":"LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ"},"v":"v2","url":"mxc://hs.test/abc-D_9"}`
	caption := with(said("my cat"), file("cat.jpg", "image/*", 500))
	caption.Style.Bold = true
	for _, c := range []struct {
		name, kind, raw string
		want            bridge.MessageReceived
	}{
		{"picture", "m.room.message", `{"msgtype":"m.image","body":"cat.jpg","url":"` + uri + `","info":{"size":34816,"mimetype":"image/jpeg"}}`, with(said(""), file("cat.jpg", "image/jpeg", 34816))},
		{"picture of the same name", "m.room.message", `{"msgtype":"m.image","body":"cat.jpg","filename":"cat.jpg","url":"` + uri + `"}`, with(said(""), file("cat.jpg", "image/*", 0))},
		{"picture with caption", "m.room.message", `{"msgtype":"m.image","body":"my cat","filename":"cat.jpg","format":"org.matrix.custom.html","formatted_body":"<b>my cat</b>","url":"` + uri + `","info":{"size":500}}`, caption},
		{"picture in reply", "m.room.message", `{"msgtype":"m.image","body":"cat.jpg","url":"` + uri + `","m.relates_to":{"m.in_reply_to":{"event_id":"$1"}}}`, with(act(text.Replied, ""), file("cat.jpg", "image/*", 0))},
		{"picture that was exchanged", "m.room.message", `{"msgtype":"m.image","body":"* cat.jpg","m.new_content":{"msgtype":"m.image","body":"dog.jpg","url":"` + uri + `"},"m.relates_to":{"rel_type":"m.replace","event_id":"$1"}}`, with(act(text.Edited, ""), file("dog.jpg", "image/*", 0))},
		{"video", "m.room.message", `{"msgtype":"m.video","body":"a.mp4","url":"` + uri + `","info":{"size":5242880}}`, with(said(""), file("a.mp4", "video/*", 5242880))},
		{"audio", "m.room.message", `{"msgtype":"m.audio","body":"a.ogg","url":"` + uri + `","info":{"duration":83000,"size":2048}}`, with(said(""), file("a.ogg", "audio/*", 2048))},
		{"voice", "m.room.message", `{"msgtype":"m.audio","body":"a.ogg","url":"` + uri + `","info":{"mimetype":"audio/ogg"},"org.matrix.msc3245.voice":{}}`, with(said(""), voice)},
		{"file", "m.room.message", `{"msgtype":"m.file","body":"a\nb.txt","url":"` + uri + `","info":{"size":-4}}`, with(said(""), file("a b.txt", "", 0))},
		{"a long name", "m.room.message", `{"msgtype":"m.file","body":"` + strings.Repeat("x", 300) + `.txt","url":"` + uri + `"}`, with(said(""), file(strings.Repeat("x", 300)+".txt", "", 0))},
		{"encrypted", "m.room.message", `{"msgtype":"m.image","body":"cat.jpg","info":{"size":5,"mimetype":"image/jpeg"},"file":{"url":"` + uri + `",` + keys + `}}`, with(said(""), secret)},
		{"sticker", "m.sticker", `{"body":"party","url":"` + uri + `","info":{"mimetype":"image/png"}}`, with(said("[sticker: party]"), file("party", "image/png", 0))},
		{"gallery", "m.room.message", `{"msgtype":"com.beeper.gallery","body":"x","com.beeper.gallery.caption":"us","com.beeper.gallery.images":[{"msgtype":"m.image","body":"1.jpg","url":"` + uri + `"},{"msgtype":"m.image","body":"2.jpg","url":"` + uri + `"}]}`, with(said("us"), file("1.jpg", "image/*", 0), file("2.jpg", "image/*", 0))},

		{"sticker without a picture", "m.sticker", `{"body":"party"}`, said("[sticker: party]")},
		{"malformed sticker", "m.sticker", `{"body":1}`, notice("[a message that the gateway cannot read]")},
		{"picture of nothing", "m.room.message", `{"msgtype":"m.image","body":""}`, said("[picture] (it cannot be fetched)")},
		{"caption of nothing", "m.room.message", `{"msgtype":"m.image","body":"my cat","filename":"cat.jpg"}`, said("my cat\n[picture: cat.jpg] (it cannot be fetched)")},
		{"another network", "m.room.message", `{"msgtype":"m.file","body":"a","url":"http://127.0.0.1/a"}`, said("[file: a] (it cannot be fetched)")},
		{"path", "m.room.message", `{"msgtype":"m.file","body":"a","url":"mxc://hs.test/../../admin"}`, said("[file: a] (it cannot be fetched)")},
		{"query", "m.room.message", `{"msgtype":"m.file","body":"a","url":"mxc://hs.test/a?b"}`, said("[file: a] (it cannot be fetched)")},
		{"host", "m.room.message", `{"msgtype":"m.file","body":"a","url":"mxc://hs.test%2f..%2f/a"}`, said("[file: a] (it cannot be fetched)")},
		{"long address", "m.room.message", `{"msgtype":"m.file","body":"a","url":"mxc://hs.test/` + strings.Repeat("a", 600) + `"}`, said("[file: a] (it cannot be fetched)")},
		{"another cipher", "m.room.message", `{"msgtype":"m.file","body":"a","file":{"url":"` + uri + `",` + strings.Replace(keys, "A256CTR", "A128GCM", 1) + `}}`, said("[file: a] (it cannot be fetched)")},
		{"short key", "m.room.message", `{"msgtype":"m.file","body":"a","file":{"url":"` + uri + `",` + strings.Replace(keys, "AAECAwQFBgcICQoL", "", 1) + `}}`, said("[file: a] (it cannot be fetched)")},
		{"no hash", "m.room.message", `{"msgtype":"m.file","body":"a","file":{"url":"` + uri + `",` + strings.Replace(keys, "sha256", "md5", 1) + `}}`, said("[file: a] (it cannot be fetched)")},
		{"malformed picture", "m.room.message", `{"msgtype":"m.image","body":"a","info":7}`, notice("[a message that the gateway cannot read]")},
	} {
		got, ok := content.Decode(newEvent(t, c.kind, c.raw), false)
		check(t, c.name, got, ok, c.want)
		for _, m := range got.Media {
			source, err := content.ParseSource(m.Source)
			if err != nil || source.String() != m.Source || source.URI.String() != uri || (source.File != nil) != strings.Contains(c.raw, `"v2"`) {
				t.Errorf("%s: source %q is read as %+v, %v", c.name, m.Source, source, err)
			}
		}
	}
}

func TestSourcesOfOthersAreRefused(t *testing.T) {
	for _, s := range []string{"", "{", "{}", "http://a.test/b", "mxc://", "mxc://a", "mxc://a.test/b/c", `{"url":"mxc://a.test/b"}`, `{"url":"http://a.test/b",` + keys + `}`} {
		if got, err := content.ParseSource(s); err == nil {
			t.Errorf("%q is read as %+v", s, got)
		} else if s != "" && s != "{" && strings.Contains(err.Error(), s) {
			t.Errorf("the error tells the source: %v", err)
		}
	}
}

func TestSourceDecrypts(t *testing.T) {
	file := attachment.NewEncryptedFile()
	data := []byte("hello")
	file.EncryptInPlace(data)
	uri := id.ContentURI{Homeserver: "hs.test", FileID: "abc"}
	source, err := content.ParseSource(content.Source{URI: uri, File: file}.String())
	if err != nil || source.URI != uri {
		t.Fatalf("%+v, %v", source, err)
	}
	if err := source.File.DecryptInPlace(data); err != nil || string(data) != "hello" {
		t.Errorf("decrypted %q, %v", data, err)
	}
}

func TestGalleriesAreBounded(t *testing.T) {
	one := `{"msgtype":"m.image","body":"1.jpg","url":"mxc://hs.test/a"},null,`
	raw := `{"msgtype":"com.beeper.gallery","body":"x","com.beeper.gallery.images":[` + strings.TrimSuffix(strings.Repeat(one, 40), ",") + `]}`
	got, _ := content.Decode(newEvent(t, "m.room.message", raw), false)
	if len(got.Media) != 16 {
		t.Errorf("%d files of one event", len(got.Media))
	}
}
