package media

import (
	"strings"
	"testing"
	"testing/quick"
	"time"
	"unicode"
	"unicode/utf8"

	"papillon/bridge"
)

// testTime is some time.
var testTime = time.Unix(1_800_000_000, 0)

func TestLines(t *testing.T) {
	const url = "http://192.0.2.1:8080/m/AbC/cat.jpg"
	for _, c := range []struct {
		kind string
		link Link
		want string
	}{
		{"picture", Link{url, "cat.jpg", "image/jpeg", 120 << 10}, "[picture] cat.jpg (120 KB) " + url},
		{"picture", Link{url, "cat.png", "image/png", 900}, "[picture] cat.png (900 bytes) " + url + " (add ?original for the picture as it was sent)"},
		{"picture", Link{url, "cat.jpg", "image/jpeg", 3_250_586}, "[picture] cat.jpg (3.1 MB) " + url + " (add ?original for the picture as it was sent)"},
		{"picture", Link{url, "", "", 0}, "[picture] " + url},
		{"voice message", Link{url, "", "audio/ogg", 1 << 20}, "[voice message] (1.0 MB) " + url},
		{"file", Link{url, "dot", "", 1}, "[file] dot (1 byte) " + url},
		{"file", Link{url, "almost", "", 1<<20 - 1}, "[file] almost (1.0 MB) " + url},
		{"", Link{url, "plan.pdf", "application/pdf", 1024}, "[file] plan.pdf (1 KB) " + url},
		{"file", Link{"", "plan.pdf", "", 1536}, "[file] plan.pdf (2 KB) (no link: http.listen is not set on this server)"},
	} {
		if got := c.link.Line(c.kind); got != c.want {
			t.Errorf("line %q, want %q", got, c.want)
		}
	}
}

func TestKinds(t *testing.T) {
	for want, offers := range map[string][]Offer{
		"picture":       {{Type: "image/png"}, {Name: "a.JPG"}, {Type: "nonsense", Name: "a.png"}, {Type: "application/octet-stream", Name: "a.png"}, {Type: "Image/JPEG; q=1", Name: "a.exe"}},
		"voice message": {{Voice: true, Type: "audio/ogg"}, {Voice: true}},
		"sound":         {{Type: "audio/mp4"}, {Name: "a.opus"}},
		"video":         {{Type: "video/webm"}, {Name: "a.mov"}},
		"file":          {{}, {Type: "image/svg+xml"}, {Type: "application/pdf", Name: "a.png"}, {Type: "nonsense"}, {Name: "a"}},
	} {
		for _, o := range offers {
			if got := o.Kind(); got != want {
				t.Errorf("%+v is a %s, want %s", o, got, want)
			}
		}
	}
}

func TestNames(t *testing.T) {
	for _, c := range []struct{ name, mediaType, shown, path string }{
		{"cat.jpg", "image/jpeg", "cat.jpg", "cat.jpg"},
		{"cat.PNG", "image/png", "cat.PNG", "cat.jpg"},
		{"Ünïcödé fïle.pdf", "", "Ünïcödé fïle.pdf", "Unicode_file.pdf"},
		{"日本語.txt", "text/plain", "日本語.txt", "file.txt"},
		{"", "image/png", "", "file.jpg"},
		{"", "", "", "file"},
		{"", "audio/ogg", "", "file.ogg"},
		{"", "image/gif", "", "file.gif"},
		{"../../etc/passwd", "", "passwd", "passwd"},
		{`C:\windows\system32\cmd.exe`, "", "cmd.exe", "cmd.exe"},
		{"..", "", "", "file"},
		{".htaccess", "", "htaccess", "htaccess"},
		{"a\r\nSet-Cookie: b=c", "", "a Set-Cookie: b=c", "a_Set-Cookie_b_c"},
		{"gpj.\u202eexe.txt", "", "gpj.exe.txt", "gpj.exe.txt"},
		{"a\x00b\x1b[1m.txt", "", "ab[1m.txt", "ab_1m.txt"},
		{`"><script>.html`, "", `"><script>.html`, "script.html"},
		{"\xff\xfe.bin", "", "bin", "bin"},
		{strings.Repeat("a", 100) + ".jpeg", "image/jpeg", strings.Repeat("a", 69) + "…" + "aaaaa.jpeg", strings.Repeat("a", 27) + ".jpeg"},
		{strings.Repeat("a", 40), "image/jpeg", strings.Repeat("a", 40), strings.Repeat("a", 28) + ".jpg"},
		{"x.veryverylong", "", "x.veryverylong", "x.veryverylong"},
		{"Dr.Nobody", "image/png", "Dr.Nobody", "Dr.Nobody.jpg"},
		{"0_.00!", "", "0_.00!", "0.00"},
		{"a-._b..c", "", "a-._b..c", "a.b.c"},
		{strings.Repeat("a", 28) + "-.bc_d", "", strings.Repeat("a", 28) + "-.bc_d", strings.Repeat("a", 28) + ".bc"},
	} {
		shown := shownName(c.name)
		if shown != c.shown {
			t.Errorf("%q is shown as %q, want %q", c.name, shown, c.shown)
		}
		if got := pathName(Offer{Name: shown, Type: c.mediaType}); got != c.path {
			t.Errorf("%q ends the link as %q, want %q", c.name, got, c.path)
		}
		checkNames(t, c.name, c.mediaType)
	}
}

// checkNames says what holds for every name.
func checkNames(t *testing.T, name, mediaType string) {
	t.Helper()
	shown := shownName(name)
	if n := utf8.RuneCountInString(shown); n > maxShownName || !utf8.ValidString(shown) || strings.ContainsAny(shown, "/\\\r\n") {
		t.Errorf("%q is shown as %q", name, shown)
	}
	for _, r := range shown {
		if !unicode.IsGraphic(r) {
			t.Errorf("%q is shown with %U", name, r)
		}
	}
	path := pathName(Offer{Name: name, Type: mediaType})
	if path == "" || len(path) > maxPathName || strings.HasPrefix(path, ".") {
		t.Errorf("%q ends the link as %q", name, path)
	}
	for _, r := range path {
		if !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-", r) {
			t.Errorf("%q ends the link as %q", name, path)
		}
	}
	if again := asciiName(path); again != path {
		t.Errorf("%q becomes %q when cleaned again", path, again)
	}
}

func FuzzNames(f *testing.F) {
	f.Add("cat.jpg", "image/jpeg")
	f.Add("../..\\x\r\n\u202e.tar.gz", "image/png; a=b")
	f.Add("\xff"+strings.Repeat("é", 100), "")
	f.Add("0_.00!", "")
	f.Add(strings.Repeat("a", 28)+"-.bc_d", "image/png")
	f.Fuzz(checkNames)
}

func FuzzTokens(f *testing.F) {
	s, err := newSigner(make([]byte, 32))
	if err != nil {
		f.Fatal(err)
	}
	f.Add("", "")
	f.Add(strings.Repeat("A", 35), "x")
	f.Add(s.token(s.id(Offer{Account: "a"}), testTime), "/../x")
	f.Fuzz(func(t *testing.T, token, behind string) {
		id, expires, err := s.parse(token)
		if err == nil && s.token(id, expires) != token {
			t.Errorf("%q is taken, and is not what is given out", token)
		}
		service := &Service{signer: s, now: func() time.Time { return testTime }, records: &memoryRecords{}}
		if r, err := service.record(t.Context(), linkPrefix+token+behind); err == nil {
			t.Errorf("%q leads to %+v", token+behind, r)
		}
	})
}

func TestTokens(t *testing.T) {
	s, err := newSigner(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	other, err := newSigner([]byte(strings.Repeat("x", 32)))
	if err != nil {
		t.Fatal(err)
	}
	check := func(account, network, key string, seconds uint32) bool {
		o := Offer{Account: bridge.Handle(account), Network: network, Key: key}
		id, expires := s.id(o), time.Unix(int64(seconds), 0)
		token := s.token(id, expires)
		gotID, gotExpires, err := s.parse(token)
		_, _, forged := other.parse(token)
		return err == nil && gotID == id && gotExpires.Equal(expires) && len(token) == 35 && forged == errForged && other.id(o) != id
	}
	if err := quick.Check(check, nil); err != nil {
		t.Error(err)
	}
	token := s.token(s.id(Offer{}), testTime)
	last := strings.IndexByte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", token[34])
	second := token[:34] + "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"[last|1:last|1+1]
	if _, _, err := s.parse(second); err != errNoLink {
		t.Errorf("a second spelling of the same token: %v", err)
	}
	if got := s.token("no id", testTime); got != "" {
		t.Errorf("token of nothing: %q", got)
	}
}
