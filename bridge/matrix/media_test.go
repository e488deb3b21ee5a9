package matrix

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"maunium.net/go/mautrix/crypto/attachment"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"papillon/bridge"
	"papillon/bridge/matrix/content"
	"papillon/bridge/matrix/matrixtest"
)

// nowhere is where nothing is to be fetched from.
func nowhere(context.Context, string) (io.ReadCloser, string, int64, error) {
	return nil, "", 0, errors.New("fetched from elsewhere")
}

// upload puts a file on somebody's homeserver.
func upload(t *testing.T, p *matrixtest.Person, data []byte) id.ContentURI {
	t.Helper()
	resp, err := p.UploadBytes(patient(t), data, "application/octet-stream")
	if err != nil {
		t.Fatal(err)
	}
	return resp.ContentURI
}

// fetch reads a file that was sent to an account, to the end.
func (g *gateway) fetch(owner bridge.Handle, source string, elsewhere Elsewhere) ([]byte, int64, error) {
	g.t.Helper()
	body, _, size, err := g.Media(patient(g.t), owner, source, elsewhere)
	if err != nil {
		return nil, 0, err
	}
	defer func() {
		if err := body.Close(); err != nil {
			g.t.Error(err)
		}
	}()
	data, err := io.ReadAll(body)
	return data, size, err
}

func TestMediaIsFetchedAndDecrypted(t *testing.T) {
	g := shared.gateway(t)
	alice, bob := g.user("alice"), shared.person(t, "bob")
	l := letters{t, bob, talking(t, alice, bob)}
	picture := bytes.Repeat([]byte("a picture "), 20_000)

	plain := upload(t, bob, picture)
	l.say(&event.MessageEventContent{MsgType: event.MsgImage, Body: "cat.jpg", URL: plain.CUString(), Info: &event.FileInfo{MimeType: "image/jpeg", Size: len(picture)}})
	got := await(alice, "the picture", func(m bridge.MessageReceived) bool { return len(m.Media) == 1 }).Media[0]
	if want := (bridge.Media{Source: plain.String(), Name: "cat.jpg", Type: "image/jpeg", Size: int64(len(picture))}); got != want {
		t.Errorf("offered %+v\nwant %+v", got, want)
	}
	if data, size, err := g.fetch(alice.owner, got.Source, nowhere); err != nil || !bytes.Equal(data, picture) || size != int64(len(picture)) {
		t.Errorf("fetched %d bytes of %d: %v", len(data), size, err)
	}

	file := attachment.NewEncryptedFile()
	secret := bytes.Clone(picture)
	file.EncryptInPlace(secret)
	hidden := upload(t, bob, secret)
	l.say(&event.MessageEventContent{MsgType: event.MsgFile, Body: "plans.txt", File: &event.EncryptedFileInfo{EncryptedFile: *file, URL: hidden.CUString()}})
	got = await(alice, "the secret", func(m bridge.MessageReceived) bool { return len(m.Media) == 1 }).Media[0]
	if data, size, err := g.fetch(alice.owner, got.Source, nowhere); err != nil || !bytes.Equal(data, picture) || size != int64(len(picture)) {
		t.Errorf("fetched %d bytes of %d: %v", len(data), size, err)
	}

	secret[100] ^= 1 // what the homeserver has is not what bob sent
	forged := content.Source{URI: upload(t, bob, secret), File: file}
	if _, _, err := g.fetch(alice.owner, forged.String(), nowhere); !errors.Is(err, attachment.ErrHashMismatch) {
		t.Errorf("a forged file: %v", err)
	}
	for name, source := range map[string]string{"not there": "mxc://hs.test/nothing", "no source": "http://127.0.0.1/"} {
		if _, _, err := g.fetch(alice.owner, source, nowhere); err == nil || strings.Contains(err.Error(), source) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, _, err := g.fetch("nobody@msn.test", plain.String(), nowhere); err == nil {
		t.Error("fetched for an account that is not open")
	}
}

// mediaServer is a homeserver that has nothing but media, as a test wants it.
func mediaServer(t *testing.T, answer http.HandlerFunc) *gateway {
	t.Helper()
	server := httptest.NewServer(answer)
	t.Cleanup(server.Close)
	w, err := newListener()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.close)
	return w.gateway(t, func(o *Options) { o.HomeserverURL = server.URL })
}

func TestOldHomeserversServeMediaToAnybody(t *testing.T) {
	for name, refusal := range map[string]func(http.ResponseWriter){
		"unrecognized": func(w http.ResponseWriter) {
			w.WriteHeader(http.StatusNotFound)
			_, _ = io.WriteString(w, `{"errcode":"M_UNRECOGNIZED"}`)
		},
		"no code": func(w http.ResponseWriter) { http.Error(w, "404 page not found", http.StatusNotFound) },
		"bad verb": func(w http.ResponseWriter) {
			w.WriteHeader(405)
			_, _ = io.WriteString(w, `{"errcode":"M_UNRECOGNIZED"}`)
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := mediaServer(t, func(w http.ResponseWriter, r *http.Request) {
				switch r.URL.Path {
				case "/_matrix/media/v3/download/hs.test/abc":
					_, _ = io.WriteString(w, "a picture")
				default:
					refusal(w)
				}
			})
			alice := g.user("alice")
			if data, _, err := g.fetch(alice.owner, "mxc://hs.test/abc", nowhere); err != nil || string(data) != "a picture" {
				t.Errorf("fetched %q, %v", data, err)
			}
		})
	}
}

// TestMediaElsewhere: a homeserver may keep its files on another server, which gets
// no token of ours and is asked as a stranger would.
func TestMediaElsewhere(t *testing.T) {
	g := mediaServer(t, func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.URL.Path, "/_matrix/client/v1/media/download/hs.test/") {
			http.Error(w, `{"errcode":"M_FORBIDDEN"}`, http.StatusForbidden)
			return
		}
		http.Redirect(w, r, "http://169.254.169.254/secret", http.StatusTemporaryRedirect)
	})
	alice := g.user("alice")
	var asked string
	elsewhere := func(_ context.Context, address string) (io.ReadCloser, string, int64, error) {
		asked = address
		return io.NopCloser(strings.NewReader("a picture")), "image/png", 9, nil
	}
	data, size, err := g.fetch(alice.owner, "mxc://hs.test/abc", elsewhere)
	if err != nil || string(data) != "a picture" || size != 9 || asked != "http://169.254.169.254/secret" {
		t.Errorf("fetched %q of %d from %q, %v", data, size, asked, err)
	}
	if _, _, err := g.fetch(alice.owner, "mxc://hs.test/abc", nowhere); err == nil {
		t.Error("a refusal of the other server was swallowed")
	}
}

func TestMediaRefusals(t *testing.T) {
	asked := 0
	g := mediaServer(t, func(w http.ResponseWriter, r *http.Request) {
		if !strings.Contains(r.URL.Path, "/media/") {
			return
		}
		asked++
		w.WriteHeader(http.StatusNotFound)
		_, _ = fmt.Fprint(w, `{"errcode":"M_NOT_FOUND","error":"`+strings.Repeat("long ", 10_000)+`"}`)
	})
	alice := g.user("alice")
	_, _, err := g.fetch(alice.owner, "mxc://hs.test/abc", nowhere)
	if err == nil || asked != 1 || !strings.Contains(err.Error(), "404") || len(err.Error()) > 300 || strings.Contains(err.Error(), "abc") {
		t.Errorf("asked %d times: %v", asked, err)
	}
}
