package media

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestOldBrowsers(t *testing.T) {
	h := newHouse(t, nil)
	content := asJPEG(t, photo(200, 100))
	link := path10(t, h.link(t, file(t, content), "cat.jpg"))

	head, body := raw(t, h.address, "GET "+link+" HTTP/1.0\r\n\r\n")
	if !strings.HasPrefix(head, "HTTP/1.0 200 OK\r\n") || strings.Contains(head, "chunked") {
		t.Errorf("answer to HTTP/1.0: %s", head)
	}
	for _, want := range []string{
		"Content-Length: " + fmt.Sprint(len(content)), "Content-Type: image/jpeg", "X-Content-Type-Options: nosniff",
		"Content-Disposition: inline; filename=cat.jpg", "Expires: ", "Last-Modified: ",
	} {
		if !strings.Contains(head, want) {
			t.Errorf("no %q in %s", want, head)
		}
	}
	if !bytes.Equal(body, content) {
		t.Errorf("%d bytes, want the %d of the original", len(body), len(content))
	}

	head, body = raw(t, h.address, "HEAD "+link+" HTTP/1.0\r\n\r\n")
	if !strings.Contains(head, "200 OK") || !strings.Contains(head, "Content-Length: "+fmt.Sprint(len(content))) || len(body) > 0 {
		t.Errorf("HEAD: %s and %d bytes", head, len(body))
	}
	head, body = raw(t, h.address, "GET "+link[:20]+" HTTP/1.0\r\n\r\n")
	if !strings.HasPrefix(head, "HTTP/1.0 404 Not Found\r\n") || !strings.Contains(head, "Content-Length: "+fmt.Sprint(len(body))) {
		t.Errorf("cut link: %s", head)
	}
	head, _ = raw(t, h.address, "POST "+link+" HTTP/1.0\r\nContent-Length: 0\r\n\r\n")
	if !strings.HasPrefix(head, "HTTP/1.0 405 ") || !strings.Contains(head, "Allow: GET, HEAD") {
		t.Errorf("POST: %s", head)
	}
}

func TestRanges(t *testing.T) {
	h := newHouse(t, nil)
	content := noise(t, 10_000)
	link := h.link(t, file(t, content), "data.bin")
	whole := get(t, "GET", link)
	if !bytes.Equal(whole.body, content) || whole.Header.Get("Accept-Ranges") != "bytes" {
		t.Fatalf("%d bytes, headers %v", len(whole.body), whole.Header)
	}
	from := pick(t, 9_000)
	part := get(t, "GET", link, "Range", fmt.Sprintf("bytes=%d-%d", from, from+99))
	if part.StatusCode != http.StatusPartialContent || !bytes.Equal(part.body, content[from:from+100]) {
		t.Errorf("range: status %d, %d bytes", part.StatusCode, len(part.body))
	}
	if a := get(t, "GET", link, "Range", "bytes=20000-"); a.StatusCode != http.StatusRequestedRangeNotSatisfiable {
		t.Errorf("range behind the end: %d", a.StatusCode)
	}
	if a := get(t, "GET", link, "If-Modified-Since", whole.Header.Get("Last-Modified")); a.StatusCode != http.StatusNotModified || len(a.body) > 0 {
		t.Errorf("unchanged: %d", a.StatusCode)
	}
}

func TestLinksAreSignedAndScoped(t *testing.T) {
	h := newHouse(t, nil)
	link := h.link(t, file(t, noise(t, 100)), "data.bin")
	if token, _, _ := strings.Cut(strings.TrimPrefix(path10(t, link), linkPrefix), "/"); len(token) > 40 {
		t.Errorf("token %q is long", token)
	}
	at := strings.Index(link, linkPrefix) + len(linkPrefix)
	for i := range 35 { // every character of the token counts
		changed := []byte(link)
		changed[at+i] = map[bool]byte{true: 'B', false: 'A'}[changed[at+i] == 'A']
		a := get(t, "GET", string(changed))
		if a.StatusCode != http.StatusForbidden && a.StatusCode != http.StatusNotFound {
			t.Errorf("character %d changed: %d", i, a.StatusCode)
		}
	}
	get(t, "GET", link[:at+16]+"AAAAAAAAAAAAAAAAAAA/x").refused(t, http.StatusForbidden, "not as it was sent")

	// The id of something else under this link's signature.
	other := h.link(t, file(t, noise(t, 100)), "other.bin")
	get(t, "GET", other[:at+16]+link[at+16:]).refused(t, http.StatusForbidden, "not as it was sent")

	// What was never sent, however well signed.
	forged := h.baseURL + linkPrefix + h.signer.token(strings.Repeat("ab", idSize), h.now().Add(time.Hour))
	get(t, "GET", forged).refused(t, http.StatusNotFound, "leads nowhere")

	for _, path := range []string{"/", "/m", "/m/", "/m/x", "/m/../../etc/passwd", "/m/%2e%2e%2f%2e%2e%2fetc%2fpasswd", "/m/" + strings.Repeat("A", 9000)} {
		head, _ := raw(t, h.address, "GET "+path+" HTTP/1.0\r\n\r\n")
		if !strings.HasPrefix(head, "HTTP/1.0 404 ") {
			t.Errorf("%.40s: %s", path, head)
		}
	}
	// The name is for people only.
	for _, name := range []string{"", "/", "/../../../etc/passwd", "/%00", "/else.txt"} {
		head, body := raw(t, h.address, "GET "+path10(t, link)[:len(linkPrefix)+35]+name+" HTTP/1.0\r\n\r\n")
		if !strings.Contains(head, " 200 ") || len(body) != 100 {
			t.Errorf("name %q: %s", name, head)
		}
	}
}

func TestOffersOfOthersAreOthers(t *testing.T) {
	h := newHouse(t, nil)
	o := Offer{Account: "alice@x", Network: "xmpp", Key: "1/0", Source: "http://127.0.0.1:1/", Type: "image/png", Size: 1}
	offer := func(o Offer) string {
		t.Helper()
		link, err := h.Offer(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		return link.URL
	}
	first := offer(o)
	if again := offer(o); again != first {
		t.Errorf("offered again: %s, want %s", again, first)
	}
	for _, change := range []func(*Offer){
		func(o *Offer) { o.Account = "bob@x" }, func(o *Offer) { o.Network = "matrix" }, func(o *Offer) { o.Key = "1/1" },
		func(o *Offer) { o.Account, o.Network = "alice@xx", "mpp" },
	} {
		other := o
		change(&other)
		if got := offer(other); got == first {
			t.Errorf("%+v has the link of %+v", other, o)
		}
	}
	// A link goes on being the same for half of its time, then it is renewed.
	start := time.Now()
	h.now = func() time.Time { return start.Add(DefaultExpiry/2 - time.Hour) }
	if again := offer(o); again != first {
		t.Errorf("offered again after three days: %s, want %s", again, first)
	}
	h.now = func() time.Time { return start.Add(DefaultExpiry - time.Hour) }
	if again := offer(o); again == first {
		t.Error("offered again when nearly expired: the same link")
	}
	for _, bad := range []Offer{{}, {Account: "a", Network: "n", Key: "k"}, {Account: "a", Network: "n", Key: "k", Source: strings.Repeat("x", maxSource+1)}} {
		if _, err := h.Offer(t.Context(), bad); err == nil {
			t.Errorf("offer %.60v accepted", bad)
		}
	}
}

func TestLinksExpire(t *testing.T) {
	h := newHouse(t, nil)
	link := h.link(t, file(t, noise(t, 100)), "data.bin")
	start := time.Now()
	h.now = func() time.Time { return start.Add(DefaultExpiry - 2*time.Second) }
	if a := get(t, "GET", link); a.StatusCode != http.StatusOK {
		t.Errorf("before the end: %d", a.StatusCode)
	}
	h.now = func() time.Time { return start.Add(DefaultExpiry + time.Second) }
	get(t, "GET", link).refused(t, http.StatusGone, "good for some days")

	// The record's own expiry counts as well.
	h.now = func() time.Time { return start }
	h.records.mu.Lock()
	for id, r := range h.records.byID {
		r.Expires = start.Add(-time.Second)
		h.records.byID[id] = r
	}
	h.records.mu.Unlock()
	get(t, "GET", link).refused(t, http.StatusGone, "good for some days")
}

func TestRequestsAreRateLimited(t *testing.T) {
	h := newHouse(t, func(o *Options) { o.RequestsPerMinute = 3 })
	start := time.Now()
	h.now = func() time.Time { return start }
	link := h.link(t, file(t, noise(t, 100)), "data.bin")
	for range 3 {
		if a := get(t, "GET", link); a.StatusCode != http.StatusOK {
			t.Fatalf("status %d within the limit", a.StatusCode)
		}
	}
	a := get(t, "GET", link)
	a.refused(t, http.StatusTooManyRequests, "Wait a minute")
	if a.Header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	h.now = func() time.Time { return start.Add(20 * time.Second) }
	if a := get(t, "GET", link); a.StatusCode != http.StatusOK {
		t.Errorf("status %d after a while", a.StatusCode)
	}
}

func TestCallers(t *testing.T) {
	p := newPacer(1)
	now := time.Now()
	for _, c := range []struct {
		remote string
		want   bool
	}{
		{"192.0.2.1:1", true}, {"192.0.2.1:2", false}, {"192.0.2.2:1", true}, {"[::ffff:192.0.2.1]:3", false},
		{"[2001:db8::1]:1", true}, {"[2001:db8::ffff:1]:1", false}, {"[2001:db8:0:1::1]:1", true}, {"@", true}, {"@", false},
	} {
		if got := p.allow(c.remote, now); got != c.want {
			t.Errorf("allow %s: %t", c.remote, got)
		}
	}
	if !p.allow("192.0.2.1:9", now.Add(2*time.Minute)) || len(p.callers) != 1 {
		t.Errorf("%d callers are remembered after two minutes", len(p.callers))
	}
	for i := range 2 * maxCallers {
		p.allow(fmt.Sprintf("10.%d.%d.%d:1", i>>16, i>>8&255, i&255), now.Add(2*time.Minute))
	}
	if len(p.callers) > maxCallers {
		t.Errorf("%d callers are remembered", len(p.callers))
	}
}

func TestManyRequestsFetchOnce(t *testing.T) {
	var asked atomic.Int32
	content := asPNG(t, photo(660, 100))
	arrived := make(chan struct{})
	var once sync.Once
	open := make(chan struct{})
	h := newHouse(t, nil)
	link := h.link(t, source(t, func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		once.Do(func() { close(arrived) })
		<-open
		if _, err := w.Write(content); err != nil {
			t.Error(err)
		}
	}), "cat.png")
	var all sync.WaitGroup
	sizes := make([]int, 20)
	for i := range sizes {
		all.Go(func() {
			response, err := http.Get(link)
			if err != nil {
				t.Error(err)
				return
			}
			defer response.Body.Close()
			body, err := io.ReadAll(response.Body)
			if err != nil {
				t.Error(err)
			}
			sizes[i] = len(body)
		})
	}
	<-arrived
	close(open)
	all.Wait()
	if n := asked.Load(); n != 1 {
		t.Errorf("fetched %d times", n)
	}
	for _, n := range sizes {
		if n == 0 || n != sizes[0] {
			t.Errorf("sizes %v", sizes)
		}
	}
	if a := get(t, "GET", link); len(a.body) != sizes[0] || asked.Load() != 1 {
		t.Error("fetched again although it is in the cache")
	}
}

func TestCloseEndsFetches(t *testing.T) {
	h := newHouse(t, nil)
	arrived := make(chan struct{})
	link := h.link(t, source(t, func(_ http.ResponseWriter, r *http.Request) {
		close(arrived)
		<-r.Context().Done()
	}), "x")
	done := make(chan int)
	go func() {
		response, err := http.Get(link)
		if err != nil {
			t.Error(err)
			done <- 0
			return
		}
		done <- response.StatusCode
		if err := response.Body.Close(); err != nil {
			t.Error(err)
		}
	}()
	<-arrived
	if err := h.Close(); err != nil {
		t.Error(err)
	}
	if status := <-done; status != http.StatusBadGateway {
		t.Errorf("status %d", status)
	}
	get(t, "GET", link).refused(t, http.StatusServiceUnavailable, "Try again")
}

func TestWithoutAddress(t *testing.T) {
	h := newHouse(t, func(o *Options) { *o = Options{} })
	link, err := h.Offer(t.Context(), Offer{Account: "a", Network: "xmpp", Key: "k", Source: "http://x/", Name: "a.png", Size: 10})
	if err != nil || link.URL != "" || link.Name != "a.png" {
		t.Errorf("link %+v, %v", link, err)
	}
	if a := get(t, "GET", "http://"+h.address+"/m/x"); a.StatusCode != http.StatusNotFound {
		t.Errorf("status %d", a.StatusCode)
	}
}
