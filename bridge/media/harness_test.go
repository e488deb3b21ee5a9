package media

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
)

// memoryRecords keeps records in memory.
type memoryRecords struct {
	mu   sync.Mutex
	byID map[string]Record
}

func (m *memoryRecords) AddMedia(_ context.Context, r Record) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if old, ok := m.byID[r.ID]; ok && old.Expires.After(r.Expires) {
		r.Expires = old.Expires
	}
	m.byID[r.ID] = r
	return nil
}

func (m *memoryRecords) Media(_ context.Context, id string) (Record, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r, ok := m.byID[id]
	return r, ok, nil
}

// house is a running service.
type house struct {
	*Service
	records *memoryRecords
	address string
	log     *safeBuffer
	keys    int
}

// safeBuffer is a log that several goroutines write.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}

// newHouse starts a service on loopback that may fetch from there.
func newHouse(t testing.TB, change func(*Options)) *house {
	t.Helper()
	h := &house{records: &memoryRecords{byID: make(map[string]Record)}, log: new(safeBuffer)}
	server := httptest.NewUnstartedServer(nil)
	o := Options{
		Records: h.records, Secret: bytes.Repeat([]byte{7}, 32), BaseURL: "http://" + server.Listener.Addr().String(),
		CacheDir: t.TempDir(), AllowPrivate: loopback, Log: zerolog.New(h.log),
	}
	if change != nil {
		change(&o)
	}
	var err error
	if h.Service, err = New(o); err != nil {
		t.Fatal(err)
	}
	server.Config.Handler = h.Handler()
	server.Start()
	h.address = server.Listener.Addr().String()
	t.Cleanup(func() {
		server.Close()
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	return h
}

// link offers a source and returns its link.
func (h *house) link(t testing.TB, source, name string) string {
	t.Helper()
	h.keys++
	link, err := h.Offer(t.Context(), Offer{
		Account: "alice@msn.example.org", Network: "xmpp", Key: fmt.Sprint(h.keys), Source: source, Name: name,
		Type: "application/x-unknown", Size: 1, // no probe
	})
	if err != nil {
		t.Fatal(err)
	}
	return link.URL
}

// source serves files from loopback.
func source(t testing.TB, serve http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(serve)
	t.Cleanup(server.Close)
	return server.URL
}

// file serves one file.
func file(t testing.TB, content []byte) string {
	t.Helper()
	return source(t, func(w http.ResponseWriter, _ *http.Request) {
		if _, err := w.Write(content); err != nil {
			t.Logf("source: %v", err)
		}
	})
}

// answer is what a client sees.
type answer struct {
	*http.Response
	body []byte
}

// get asks as a browser of today does.
func get(t testing.TB, method, url string, headers ...string) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{response, body}
}

// raw sends a request as it is written, and reads up to the end of the
// connection.
func raw(t testing.TB, address, request string) (head string, body []byte) {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	all, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	text, rest, ok := bytes.Cut(all, []byte("\r\n\r\n"))
	if !ok {
		t.Fatalf("no end of the header in %q", all)
	}
	return string(text), rest
}

// path is the part of a link behind the server.
func path10(t testing.TB, link string) string {
	t.Helper()
	_, rest, ok := strings.Cut(link, linkPrefix)
	if !ok {
		t.Fatalf("link %q", link)
	}
	return linkPrefix + rest
}

// refused checks for a page with a status that an old browser shows.
func (a answer) refused(t testing.TB, status int, words string) {
	t.Helper()
	if a.StatusCode != status {
		t.Errorf("status %d, want %d: %s", a.StatusCode, status, a.body)
	}
	if got := a.Header.Get("Content-Type"); got != "text/html; charset=iso-8859-1" {
		t.Errorf("page of type %q", got)
	}
	if !strings.Contains(string(a.body), words) || !strings.Contains(string(a.body), "HTML 3.2") || len(a.body) < friendlyLimit {
		t.Errorf("page %q, want %q", a.body, words)
	}
}

// photo is a picture of many colours.
func photo(width, height int) *image.NRGBA {
	m := image.NewNRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			m.SetNRGBA(x, y, color.NRGBA{uint8(x * 255 / width), uint8(y * 255 / height), uint8((x ^ y) & 0xff), 0xff})
		}
	}
	return m
}

func asJPEG(t testing.TB, m image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func asPNG(t testing.TB, m image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// noise is a file that has no type.
func noise(t testing.TB, n int) []byte {
	t.Helper()
	b := make([]byte, n)
	if _, err := rand.Read(b); err != nil {
		t.Fatal(err)
	}
	copy(b, "\x00\x01noise")
	return b
}

// pick is a random number below n.
func pick(t testing.TB, n int) int {
	t.Helper()
	i, err := rand.Int(rand.Reader, big.NewInt(int64(n)))
	if err != nil {
		t.Fatal(err)
	}
	return int(i.Int64())
}

// shown decodes what was served, which must be of one of the formats that old
// browsers know, or of the one wanted.
func (a answer) shown(t testing.TB, want ...string) image.Image {
	t.Helper()
	if a.StatusCode != http.StatusOK {
		t.Fatalf("status %d: %s", a.StatusCode, a.body)
	}
	m, format, err := image.Decode(bytes.NewReader(a.body))
	if err != nil {
		t.Fatal(err)
	}
	if want == nil {
		want = []string{"jpeg", "gif"}
	}
	if got := a.Header.Get("Content-Type"); !slices.Contains(want, format) || got != "image/"+format {
		t.Errorf("a %s served as %s, want %s", format, got, want)
	}
	return m
}
