package media

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

func TestPrivateAddressesAreRefused(t *testing.T) {
	secret := file(t, []byte("metadata"))
	h := newHouse(t, func(o *Options) { o.AllowPrivate = nil })
	_, port, err := net.SplitHostPort(strings.TrimPrefix(secret, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	for _, url := range []string{
		secret, "http://localhost:" + port, "http://[::ffff:127.0.0.1]:" + port, "http://0.0.0.0:" + port, "http://[::]:" + port,
		"http://127.1:" + port, "http://2130706433:" + port, "http://169.254.169.254/latest/meta-data/",
	} {
		get(t, "GET", h.link(t, url, "x")).refused(t, http.StatusBadGateway, "did not hand it over")
	}
	if !strings.Contains(h.log.String(), errPrivate.Error()) {
		t.Errorf("the log does not say why: %s", h.log)
	}
	if names, _ := h.stored(t); len(names) > 0 {
		t.Errorf("cached: %v", names)
	}
}

func TestRedirects(t *testing.T) {
	secret := file(t, []byte("metadata"))
	// Another loopback address plays the private network.
	target, err := net.Listen("tcp", "127.0.0.2:0")
	if err != nil {
		t.Fatal(err)
	}
	private := &httptest.Server{Listener: target, Config: &http.Server{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("the private address was asked")
	})}}
	private.Start()
	t.Cleanup(private.Close)
	var referers []string
	hops := source(t, func(w http.ResponseWriter, r *http.Request) {
		referers = append(referers, r.Referer())
		switch n := strings.TrimPrefix(r.URL.Path, "/"); n {
		case "private":
			http.Redirect(w, r, private.URL, http.StatusFound)
		case "file":
			http.Redirect(w, r, "file:///etc/passwd", http.StatusFound)
		case "0":
			http.Redirect(w, r, secret, http.StatusFound)
		default:
			http.Redirect(w, r, "/"+fmt.Sprint(int(n[0]-'1'))+"?token=secret", http.StatusFound)
		}
	})
	h := newHouse(t, func(o *Options) { o.AllowPrivate = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")} })
	get(t, "GET", h.link(t, hops+"/private", "x")).refused(t, http.StatusBadGateway, "did not hand it over")
	get(t, "GET", h.link(t, hops+"/file", "x")).refused(t, http.StatusBadGateway, "did not hand it over")
	get(t, "GET", h.link(t, hops+"/5", "x")).refused(t, http.StatusBadGateway, "did not hand it over") // six of them
	if a := get(t, "GET", h.link(t, hops+"/4", "x")); string(a.body) != "metadata" {                   // five
		t.Errorf("five redirects: %d %s", a.StatusCode, a.body)
	}
	for _, r := range referers {
		if r != "" {
			t.Errorf("a server is told %q", r)
		}
	}
}

func TestSourcesThatAreNoneAreRefused(t *testing.T) {
	h := newHouse(t, nil)
	status := source(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/short" {
			w.Header().Set("Content-Length", "100")
			w.WriteHeader(http.StatusOK)
			fmt.Fprint(w, "too few")
			return
		}
		http.NotFound(w, r)
	})
	for _, url := range []string{
		status + "/gone?token=secret", status + "/short", "ftp://127.0.0.1/x", "file:///etc/passwd", "http://", "http://\x7f/", "//127.0.0.1/", "",
		"http://user:secret@127.0.0.1/", "http://127.0.0.1:1/?token=secret", "gopher://127.0.0.1:70/",
	} {
		if url == "" {
			url = "not an address ?token=secret"
		}
		get(t, "GET", h.link(t, url, "x")).refused(t, http.StatusBadGateway, "did not hand it over")
	}
	if strings.Contains(h.log.String(), "secret") {
		t.Errorf("a source's query is logged: %s", h.log)
	}
	if names, _ := h.stored(t); len(names) > 0 {
		t.Errorf("cached: %v", names)
	}
}

func TestEndlessDownloadsAreCut(t *testing.T) {
	h := newHouse(t, func(o *Options) { o.MaxBytes, o.CacheBytes = 1<<20, 4<<20 })
	ended := make(chan int, 1)
	endless := source(t, func(w http.ResponseWriter, _ *http.Request) {
		sent := 0
		for block := make([]byte, 1<<16); ; {
			n, err := w.Write(block)
			sent += n
			if err != nil {
				ended <- sent
				return
			}
		}
	})
	get(t, "GET", h.link(t, endless, "x")).refused(t, http.StatusRequestEntityTooLarge, "larger than")
	if sent := <-ended; sent > 64<<20 {
		t.Errorf("the source could send %d bytes", sent)
	}
	honest := source(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(1<<40))
		w.WriteHeader(http.StatusOK)
	})
	get(t, "GET", h.link(t, honest, "x")).refused(t, http.StatusRequestEntityTooLarge, "larger than")
	if names, _ := h.stored(t); len(names) > 0 || h.cache.used != 0 {
		t.Errorf("left behind: %v, %d bytes counted", names, h.cache.used)
	}
	if a := get(t, "GET", h.link(t, file(t, make([]byte, 1<<20)), "x")); len(a.body) != 1<<20 {
		t.Errorf("a file that just fits: %d", a.StatusCode)
	}
}

func TestStalledSourcesAreGivenUp(t *testing.T) {
	h := newHouse(t, func(o *Options) { o.StallTimeout = 50 * time.Millisecond })
	for name, serve := range map[string]http.HandlerFunc{
		"before the header": func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		"within the body": func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, "some")
			if err := http.NewResponseController(w).Flush(); err != nil {
				t.Error(err)
			}
			<-r.Context().Done()
		},
	} {
		t.Run(name, func(t *testing.T) {
			get(t, "GET", h.link(t, source(t, serve), "x")).refused(t, http.StatusGatewayTimeout, "too slow")
		})
	}
	if names, _ := h.stored(t); len(names) > 0 || h.cache.used != 0 {
		t.Errorf("left behind: %v", names)
	}
}

func TestDrippingSourcesAreGivenUp(t *testing.T) {
	h := newHouse(t, func(o *Options) { o.FetchTimeout = 100 * time.Millisecond })
	drip := source(t, func(w http.ResponseWriter, r *http.Request) {
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-r.Context().Done():
				return
			case <-tick.C:
			}
			if _, err := fmt.Fprint(w, "."); err != nil {
				return
			}
			if err := http.NewResponseController(w).Flush(); err != nil {
				return
			}
		}
	})
	get(t, "GET", h.link(t, drip, "x")).refused(t, http.StatusGatewayTimeout, "too slow")
}

func TestClientsThatTakeNothingAreCut(t *testing.T) {
	h := newHouse(t, func(o *Options) { o.StallTimeout = 200 * time.Millisecond })
	content := noise(t, 32<<20) // more than the sockets hold
	link := path10(t, h.link(t, file(t, content), "x"))
	conn, err := net.Dial("tcp", h.address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.0\r\n\r\n", link); err != nil {
		t.Fatal(err)
	}
	// The answer has begun; read nothing more until the file is no longer in use.
	if _, err := io.ReadFull(conn, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	h.settle(t)
	n, err := io.Copy(io.Discard, conn)
	if n >= int64(len(content)) {
		t.Errorf("%d bytes came, %v", n, err)
	}
}

// scripted is a network's own fetcher.
type scripted func(ctx context.Context, o Offer) (io.ReadCloser, string, int64, error)

func (s scripted) Fetch(ctx context.Context, o Offer) (io.ReadCloser, string, int64, error) {
	return s(ctx, o)
}

func TestFetchersOfNetworks(t *testing.T) {
	broken := errors.New("decryption: wrong key")
	answers := map[string]scripted{
		"well": func(_ context.Context, o Offer) (io.ReadCloser, string, int64, error) {
			return io.NopCloser(strings.NewReader(o.Source)), "text/plain", -1, nil
		},
		"fails": func(context.Context, Offer) (io.ReadCloser, string, int64, error) { return nil, "", 0, broken },
		"breaks off": func(context.Context, Offer) (io.ReadCloser, string, int64, error) {
			return io.NopCloser(iotest.ErrReader(broken)), "", -1, nil
		},
		"is late": func(ctx context.Context, _ Offer) (io.ReadCloser, string, int64, error) {
			<-ctx.Done()
			return nil, "", 0, ctx.Err()
		},
	}
	h := newHouse(t, func(o *Options) {
		o.StallTimeout = 50 * time.Millisecond
		o.Fetchers = map[string]Fetcher{"xmpp": scripted(func(ctx context.Context, o Offer) (io.ReadCloser, string, int64, error) {
			return answers[o.Source](ctx, o)
		})}
	})
	if a := get(t, "GET", h.link(t, "well", "a.txt")); string(a.body) != "well" || a.Header.Get("Content-Type") != "text/plain; charset=utf-8" {
		t.Errorf("%d %s %v", a.StatusCode, a.body, a.Header)
	}
	get(t, "GET", h.link(t, "fails", "x")).refused(t, http.StatusBadGateway, "did not hand it over")
	get(t, "GET", h.link(t, "breaks off", "x")).refused(t, http.StatusBadGateway, "did not hand it over")
	get(t, "GET", h.link(t, "is late", "x")).refused(t, http.StatusGatewayTimeout, "too slow")
	if strings.Count(h.log.String(), broken.Error()) != 2 {
		t.Errorf("the log does not say why: %s", h.log)
	}
}

func TestActiveContentIsOnlyDownloaded(t *testing.T) {
	h := newHouse(t, nil)
	for name, content := range map[string]string{
		"a.html": "<html><script>alert(1)</script>", "a.txt": "hello <script>alert(1)</script>", "a.svg": `<svg xmlns="http://www.w3.org/2000/svg"/>`,
		"a.xml": "<?xml version='1.0'?><x/>", "a.js": "alert(1)", "a.hta": "plain words", "cat.jpg": "<html>", "": "<!DOCTYPE html>",
		"a.exe": "MZ\x90\x00", "a.pdf": "%PDF-1.4", "a.swf": "FWS\x05", "a.htm": "plain words",
	} {
		a := get(t, "GET", h.link(t, file(t, []byte(content)), name))
		if a.StatusCode != http.StatusOK || string(a.body) != content {
			t.Errorf("%s: %d %s", name, a.StatusCode, a.body)
		}
		if got := a.Header.Get("Content-Type"); got != octetStream {
			t.Errorf("%s is served as %s", name, got)
		}
		if got := a.Header.Get("Content-Disposition"); !strings.HasPrefix(got, "attachment; filename=") {
			t.Errorf("%s: %s", name, got)
		}
		if a.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s may be sniffed", name)
		}
	}
	// A picture that calls itself something else gets its own ending.
	a := get(t, "GET", h.link(t, file(t, asJPEG(t, photo(10, 10))), "a.html"))
	if got := a.Header.Get("Content-Disposition"); got != "inline; filename=a.jpg" || a.Header.Get("Content-Type") != "image/jpeg" {
		t.Errorf("a picture called a.html: %s", got)
	}
	a = get(t, "GET", h.link(t, file(t, []byte("OggS\x00\x02"+strings.Repeat("\x00", 22)+"OpusHead")), "voice.ogg"))
	if got := a.Header.Get("Content-Disposition"); got != "inline; filename=voice.ogg" || a.Header.Get("Content-Type") != "audio/ogg" {
		t.Errorf("voice: %s %s", got, a.Header.Get("Content-Type"))
	}
}

func TestOffersAreProbed(t *testing.T) {
	var methods []string
	typed := source(t, func(w http.ResponseWriter, r *http.Request) {
		methods = append(methods, r.Method)
		w.Header().Set("Content-Type", "Image/PNG; x=y")
		w.Header().Set("Content-Length", "123456")
	})
	h := newHouse(t, nil)
	o := Offer{Account: "alice@x", Network: "xmpp", Key: "1", Source: typed}
	for range 2 { // the second time it is known
		link, err := h.Offer(t.Context(), o)
		if err != nil || link.Type != "image/png" || link.Size != 123456 {
			t.Errorf("link %+v, %v", link, err)
		}
	}
	if fmt.Sprint(methods) != "[HEAD]" {
		t.Errorf("asked by %v", methods)
	}
	// A source that does not answer costs nothing but its figures.
	o.Key, o.Source = "2", "http://127.0.0.1:1/?token=secret"
	if link, err := h.Offer(t.Context(), o); err != nil || link.URL == "" || link.Type != "" {
		t.Errorf("link %+v, %v", link, err)
	}
	if strings.Contains(h.log.String(), "secret") {
		t.Errorf("log: %s", h.log)
	}
}

func TestPublicAddresses(t *testing.T) {
	for text, want := range map[string]bool{
		"8.8.8.8": true, "193.99.144.80": true, "2a02:2e0:3fe:1001:302::": true, "::ffff:8.8.8.8": true, "64:ff9b::808:808": true,
		"127.0.0.1": false, "::1": false, "10.1.2.3": false, "172.16.0.1": false, "172.32.0.1": true, "192.168.1.1": false, "169.254.169.254": false,
		"100.64.0.1": false, "100.100.100.200": false, "100.128.0.1": true, "0.0.0.0": false, "0.1.2.3": false, "::": false, "224.0.0.1": false,
		"239.255.255.250": false, "255.255.255.255": false, "240.0.0.1": false, "fe80::1": false, "fe80::1%eth0": false, "fc00::1": false,
		"fd00:ec2::254": false, "ff02::1": false, "::ffff:127.0.0.1": false, "::ffff:10.0.0.1": false, "64:ff9b::7f00:1": false,
		"64:ff9b::a9fe:a9fe": false, "64:ff9b:1::808:808": false, "2002:7f00:1::": false, "2001:0:7f00:1::": false, "2001:db8::1": false,
		"::127.0.0.1": false, "::ffff:0:127.0.0.1": false, "192.0.2.1": false, "198.18.0.1": false, "198.51.100.1": false, "203.0.113.1": false,
		"168.63.129.16": false, "4000::1": false, "fec0::1": false,
	} {
		if got := public(netip.MustParseAddr(text)); got != want {
			t.Errorf("public(%s) = %t", text, got)
		}
	}
	rule := addressRule{[]netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}}
	for address, want := range map[string]bool{
		"10.1.1.1:80": true, "[::ffff:10.1.1.1]:80": true, "11.1.1.1:443": true, "192.168.0.1:80": false, "[fd00::1]:80": true,
		"/run/socket": false, "example.org:80": false, "": false,
	} {
		if err := rule.control("tcp", address, nil); (err == nil) != want || err != nil && !errors.Is(err, errPrivate) {
			t.Errorf("dial %s: %v", address, err)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	for want, change := range map[string]func(*Options){
		"write it like":          func(o *Options) { o.BaseURL = "192.0.2.1:8080" },
		"write it like http":     func(o *Options) { o.BaseURL = "ftp://x" },
		"has 3 bytes":            func(o *Options) { o.Secret = []byte("abc") },
		"needs records":          func(o *Options) { o.Records = nil },
		"a folder for its cache": func(o *Options) { o.CacheDir = "" },
		"does not fit":           func(o *Options) { o.MaxBytes = 1 << 40 },
		"make media cache":       func(o *Options) { o.CacheDir = "/dev/null" },
	} {
		o := Options{Records: &memoryRecords{}, Secret: make([]byte, 32), BaseURL: "http://x:1", CacheDir: t.TempDir()}
		change(&o)
		if s, err := New(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("New: %v, %v, want %q", s, err, want)
		}
	}
}
