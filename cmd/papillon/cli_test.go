package main

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// result is what a command did.
type result struct {
	code     int
	out, err string
}

// command runs papillon in the working directory.
func command(t testing.TB, stdin string, args ...string) result {
	t.Helper()
	var out, errOut strings.Builder
	code := run(args, strings.NewReader(stdin), &out, &errOut)
	return result{code, out.String(), errOut.String()}
}

// must runs papillon and wants it to succeed; it returns what was printed.
func must(t testing.TB, args ...string) string {
	t.Helper()
	r := command(t, "", args...)
	if r.code != exitOK {
		t.Fatalf("papillon %s: exit %d: %s", strings.Join(args, " "), r.code, r.err)
	}
	return r.out
}

// refuses runs papillon and wants one line on standard error that contains some
// words, and nothing on standard output.
func refuses(t testing.TB, code int, words string, args ...string) {
	t.Helper()
	r := command(t, "", args...)
	oneLine := strings.HasPrefix(r.err, "papillon: ") && strings.Count(r.err, "\n") == 1
	if r.code != code || !oneLine || !strings.Contains(r.err, words) || r.out != "" {
		t.Errorf("papillon %s: exit %d, printed %q, complained %q; want exit %d and one line with %q",
			strings.Join(args, " "), r.code, r.out, r.err, code, words)
	}
}

// freshInstall makes the working directory one where init has run.
func freshInstall(t testing.TB) (dir string) {
	t.Helper()
	dir = t.TempDir()
	t.(*testing.T).Chdir(dir)
	must(t, "init", "--domain", "example.org")
	return dir
}

// brittle takes so many writes and fails then.
type brittle int

func (b *brittle) Write(p []byte) (int, error) {
	if *b--; *b < 0 {
		return 0, errors.New("broken pipe")
	}
	return len(p), nil
}

// TestTwoErrorsAreOneLine: what went wrong twice is still one line.
func TestTwoErrorsAreOneLine(t *testing.T) {
	freshInstall(t)
	write(t, "papillon.db", strings.Repeat("garbage", 1000))
	var errOut strings.Builder
	out := brittle(1)
	code := run([]string{"doctor"}, strings.NewReader(""), &out, &errOut)
	if want := "papillon: broken pipe; the other checks need the database\n"; code != exitFailed || errOut.String() != want {
		t.Errorf("exit %d, complained %q; want %q", code, errOut.String(), want)
	}
}

func TestHelp(t *testing.T) {
	out := must(t)
	for _, name := range []string{"init", "serve", "account add", "account list", "account show", "account passwd",
		"account remove", "link", "unlink", "registration", "example-config", "doctor", "version"} {
		if !regexp.MustCompile(`(?m)^  ` + name + `\b`).MatchString(out) {
			t.Errorf("help does not list %s:\n%s", name, out)
		}
	}
	if out := must(t, "account", "add", "--help"); !strings.Contains(out, "--password-stdin") {
		t.Errorf("help of account add: %s", out)
	}
	if out := must(t, "version"); !regexp.MustCompile(`^papillon \S+\n$`).MatchString(out) {
		t.Errorf("version: %q", out)
	}
}

func TestWrongUsage(t *testing.T) {
	freshInstall(t)
	for _, args := range [][]string{
		{"frobnicate"},
		{"--frobnicate"},
		{"account"},
		{"account", "frobnicate"},
		{"account", "add"},
		{"account", "add", "alice", "bob"},
		{"account", "add", "alice", "--frobnicate"},
		{"account", "passwd", "alice", "--revoke", "one"},
		{"account", "passwd", "alice", "--revoke", "1", "--revoke-all"},
		{"serve", "now"},
		{"serve", "-c"},
	} {
		refuses(t, exitUsage, "--help", args...)
	}
}

// TestLink: accounts are tied to networks, and what cannot be is refused with
// what to do.
func TestLink(t *testing.T) {
	freshInstall(t)
	must(t, "account", "add", "alice")
	for _, test := range []struct {
		code  int
		words string
		args  []string
	}{
		{exitUsage, "missing flags: --kind", []string{"link", "alice", "xmpp", "alice@jabber.example"}},
		{exitUsage, `must be one of "matrix","xmpp"`, []string{"link", "alice", "icq", "--kind", "login"}},
		{exitUsage, `xmpp has no kind "ghost": use component or login`, []string{"link", "alice", "xmpp", "--kind", "ghost"}},
		{exitUsage, "set up Matrix first", []string{"link", "alice", "matrix", "--kind", "ghost"}},
		{exitUsage, "set up the component first", []string{"link", "alice", "xmpp", "--kind", "component"}},
		{exitUsage, "name the XMPP address as well", []string{"link", "alice", "xmpp", "--kind", "login", "--password-stdin"}},
		{exitUsage, "give --password-stdin", []string{"link", "alice", "xmpp", "alice@jabber.example", "--kind", "login"}},
		{exitUsage, "is no XMPP address", []string{"link", "alice", "xmpp", "not an address", "--kind", "login", "--password-stdin"}},
		{exitFailed, "there is no account", []string{"link", "bob", "xmpp", "bob@jabber.example", "--kind", "login", "--password-stdin"}},
		{exitFailed, "there is none on standard input", []string{"link", "alice", "xmpp", "alice@jabber.example", "--kind", "login", "--password-stdin"}},
		{exitFailed, "has no link to xmpp", []string{"unlink", "alice", "xmpp"}},
	} {
		refuses(t, test.code, test.words, test.args...)
	}
	if r := command(t, "secret\n", "link", "alice", "xmpp", "alice@jabber.example", "--kind", "login", "--password-stdin", "--server", freeAddr(t)); r.code != exitFailed || !strings.Contains(r.err, "nothing was changed") {
		t.Errorf("a server that is not there: %+v", r)
	}
	if r := command(t, "secret\n", "link", "alice", "xmpp", "Alice@Jabber.example", "--kind", "login", "--password-stdin", "--no-check"); r.code != exitOK || !strings.Contains(r.out, "linked to xmpp as alice@jabber.example (login)") {
		t.Errorf("link: %+v", r)
	}
	must(t, "account", "add", "bob")
	taken := command(t, "secret\n", "link", "bob", "xmpp", "ALICE@jabber.example", "--kind", "login", "--password-stdin", "--no-check")
	if taken.code != exitFailed || !strings.Contains(taken.err, "papillon unlink alice@example.org xmpp") {
		t.Errorf("link of another account's address: %+v", taken)
	}
	if out := must(t, "account", "show", "alice"); !strings.Contains(out, "alice@jabber.example") || strings.Contains(out, "secret") {
		t.Errorf("account show: %s", out)
	}
	t.Setenv("PAPILLON_XMPP_COMPONENT_DOMAIN", "msn.example.org")
	t.Setenv("PAPILLON_XMPP_COMPONENT_SECRET", "s3cr3t")
	refuses(t, exitUsage, "is not at msn.example.org", "link", "alice", "xmpp", "alice@elsewhere.example", "--kind", "component")
	refuses(t, exitUsage, "needs no password", "link", "alice", "xmpp", "--kind", "component", "--password-stdin")
	refuses(t, exitFailed, "bob@msn.example.org is who bob@example.org is on xmpp", "link", "alice", "xmpp", "bob@msn.example.org", "--kind", "component")
	must(t, "link", "alice", "xmpp", "al@msn.example.org", "--kind", "component")
	must(t, "unlink", "alice", "xmpp")
	t.Setenv("PAPILLON_MATRIX_HOMESERVER_URL", "http://"+freeAddr(t))
	t.Setenv("PAPILLON_MATRIX_HOMESERVER_DOMAIN", "example.org")
	refuses(t, exitUsage, "its id must be like @msn_name:example.org", "link", "alice", "matrix", "@alice:example.org", "--kind", "ghost")
	refuses(t, exitFailed, "@msn_bob:example.org is who bob@example.org is on matrix", "link", "alice", "matrix", "@msn_bob:example.org", "--kind", "ghost")
	must(t, "link", "bob", "matrix", "@msn_bob:example.org", "--kind", "ghost") // he is that anyway
	must(t, "link", "bob", "matrix", "@msn_robert:example.org", "--kind", "ghost")
	must(t, "link", "alice", "matrix", "@msn_bob:example.org", "--kind", "ghost") // of whom nobody is left
	must(t, "link", "alice", "matrix", "@msn_al:example.org", "--kind", "ghost")
}

// TestDoctorSignUp: where people make accounts for themselves, none is no error.
func TestDoctorSignUp(t *testing.T) {
	freshInstall(t)
	t.Setenv("PAPILLON_MSN_LISTEN", freeAddr(t))
	for name, c := range map[string]struct {
		set  map[string]string
		able bool
	}{
		"Matrix":       {map[string]string{"MATRIX_HOMESERVER_URL": "http://" + freeAddr(t), "MATRIX_HOMESERVER_DOMAIN": "example.org"}, true},
		"no more":      {map[string]string{"MATRIX_HOMESERVER_URL": "http://" + freeAddr(t), "MATRIX_HOMESERVER_DOMAIN": "example.org", "MATRIX_SIGN_UP": "false"}, false},
		"XMPP":         {map[string]string{"XMPP_COMPONENT_DOMAIN": "msn.example.org", "XMPP_COMPONENT_SECRET": "s3cr3t"}, true},
		"XMPP, nobody": {map[string]string{"XMPP_COMPONENT_DOMAIN": "msn.example.org", "XMPP_COMPONENT_SECRET": "s3cr3t", "XMPP_COMPONENT_SIGN_UP": "none"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			for key, value := range c.set {
				t.Setenv("PAPILLON_"+key, value)
			}
			out := command(t, "", "doctor").out
			if strings.Contains(out, "0 accounts: people make them") != c.able || strings.Contains(out, "no account yet") == c.able {
				t.Errorf("%s", out)
			}
		})
	}
}

// TestDoctor names everything that is wrong, and what is well.
func TestDoctor(t *testing.T) {
	freshInstall(t)
	t.Setenv("PAPILLON_MSN_LISTEN", freeAddr(t))
	r := command(t, "", "doctor")
	if r.code != exitFailed || !strings.Contains(r.out, "WRONG database") || !strings.Contains(r.out, "no account yet") || !strings.Contains(r.err, "1 things are wrong") {
		t.Errorf("without an account: %+v", r)
	}
	must(t, "account", "add", "alice")
	if out := must(t, "doctor"); strings.Contains(out, "WRONG") || !strings.Contains(out, "ok    no server runs") {
		t.Errorf("of a fresh installation: %s", out)
	}
	t.Setenv("PAPILLON_XMPP_COMPONENT_DOMAIN", "msn.example.org")
	t.Setenv("PAPILLON_XMPP_COMPONENT_SECRET", "s3cr3t")
	t.Setenv("PAPILLON_XMPP_COMPONENT_ADDRESS", freeAddr(t))
	t.Setenv("PAPILLON_MATRIX_HOMESERVER_URL", "http://"+freeAddr(t))
	t.Setenv("PAPILLON_MATRIX_HOMESERVER_DOMAIN", "example.org")
	r = command(t, "", "doctor")
	for _, wrong := range []string{"WRONG XMPP component msn.example.org", "WRONG homeserver http://"} {
		if r.code != exitFailed || !strings.Contains(r.out, wrong) {
			t.Errorf("%q is missing: %+v", wrong, r)
		}
	}
	c, err := loadConfig(configName)
	if err != nil {
		t.Fatal(err)
	}
	stop := startServe(t, c)
	r = command(t, "", "doctor")
	if !strings.Contains(r.out, "ok    a server runs at ") || !strings.Contains(r.out, c.XMPP.Component.Address+": nothing answers at the server's address") {
		t.Errorf("beside a server that reaches nothing: %+v", r)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

func TestInit(t *testing.T) {
	t.Chdir(t.TempDir())
	out := must(t, "init", "--dir", "new/folder", "--domain", "msn.example.org")
	for _, name := range []string{"config.yaml", "papillon.key", "registration-msn.yaml", "registration-msn-puppet.yaml"} {
		if !strings.Contains(out, filepath.Join("new/folder", name)) {
			t.Errorf("init does not tell of %s: %s", name, out)
		}
		info, err := os.Stat(filepath.Join("new/folder", name))
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v: others can read secrets", name, info.Mode())
		}
	}
	c, err := loadConfig("new/folder/config.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if c.MSN.Domain != "msn.example.org" || c.Store.Path != "new/folder/papillon.db" {
		t.Errorf("the configuration has %q and %q", c.MSN.Domain, c.Store.Path)
	}
	if ghosts, puppet := read(t, "new/folder/registration-msn.yaml"), read(t, "new/folder/registration-msn-puppet.yaml"); !strings.Contains(ghosts, `'^@msn_.*:msn\.example\.org$'`) ||
		!strings.Contains(ghosts, `url: "http://127.0.0.1:`) || !strings.Contains(puppet, "url: null") {
		t.Errorf("the registrations are\n%s\n%s", ghosts, puppet)
	}
	must(t, "init", "--dir", "other")
	for _, name := range []string{"papillon.key", "registration-msn.yaml", "registration-msn-puppet.yaml"} {
		if read(t, "other/"+name) == read(t, "new/folder/"+name) {
			t.Errorf("%s is the same in two installations", name)
		}
	}
}

// TestInitWritesAllOrNothing: each file that stands in the way is named, stays
// as it is, and keeps the others from being written.
func TestInitWritesAllOrNothing(t *testing.T) {
	for _, name := range []string{"config.yaml", "papillon.key", "registration-msn.yaml", "registration-msn-puppet.yaml"} {
		t.Run(name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			if err := os.WriteFile(name, []byte("mine"), 0o644); err != nil {
				t.Fatal(err)
			}
			refuses(t, exitFailed, name, "init")
			entries, err := os.ReadDir(".")
			if err != nil || len(entries) != 1 || read(t, name) != "mine" {
				t.Errorf("left behind: %v (%v)", entries, err)
			}
		})
	}
	t.Chdir(t.TempDir())
	if err := os.WriteFile("file", nil, 0o644); err != nil {
		t.Fatal(err)
	}
	refuses(t, exitFailed, "file", "init", "--dir", "file/folder")
}

// TestInitTakesTheEnvironment: what is set there stands in the file.
func TestInitTakesTheEnvironment(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	t.Setenv("PAPILLON_MATRIX_HOMESERVER_URL", "https://matrix.example.org")
	t.Setenv("PAPILLON_MATRIX_HOMESERVER_DOMAIN", "example.org")
	t.Setenv("PAPILLON_MATRIX_APPSERVICE_URL", "http://papillon:29341")
	t.Setenv("PAPILLON_STORE_KEY", filepath.Join(dir, "secret"))
	must(t, "init")
	config, reg := read(t, "config.yaml"), read(t, "registration-msn.yaml")
	if !strings.Contains(config, `homeserver_url: "https://matrix.example.org"`) || !strings.Contains(config, "homeserver_domain: example.org") {
		t.Errorf("the configuration is\n%s", config)
	}
	if !strings.Contains(reg, `url: "http://papillon:29341"`) || !strings.Contains(reg, `example\.org`) {
		t.Errorf("the registration is\n%s", reg)
	}
	read(t, "secret")
	t.Setenv("PAPILLON_PRESENCE_POLL", "often")
	refuses(t, exitUsage, "PAPILLON_PRESENCE_POLL", "init", "--dir", "other")
	t.Setenv("PAPILLON_PRESENCE_POLL", "")
	refuses(t, exitUsage, "msn.domain", "init", "--dir", "other", "--domain", "not a domain")
}

// TestExampleConfig: the file in the repository is what the program prints, is
// what init writes, and says what holds without it.
func TestExampleConfig(t *testing.T) {
	example := must(t, "example-config")
	if read(t, "../../config.example.yaml") != example {
		t.Error("config.example.yaml is stale: run papillon example-config > config.example.yaml")
	}
	c := new(Config)
	if problems := c.parse([]byte(example)); len(problems) > 0 {
		t.Errorf("the example cannot be read: %v", problems)
	}
	var again strings.Builder
	if err := writeConfig(&again, c); err != nil || again.String() != example {
		t.Errorf("read and written again it is (%v)\n%s", err, again.String())
	}
	for _, s := range c.settings() {
		name := s.key[strings.LastIndexByte(s.key, '.')+1:]
		if !strings.Contains(example, " "+name+":") {
			t.Errorf("the example lacks %s", s.key)
		}
	}
	t.Chdir(t.TempDir())
	must(t, "init")
	if read(t, "config.yaml") != example {
		t.Error("init writes something else than the example")
	}
}

func TestAccounts(t *testing.T) {
	freshInstall(t)
	r := command(t, "", "account", "add", "alice", "--name", "Alice A.")
	if r.code != exitOK || !regexp.MustCompile(`^[a-z2-9]+(-[a-z2-9]+)+\n$`).MatchString(r.out) {
		t.Fatalf("account add: exit %d, printed %q: scripts want the password alone", r.code, r.out)
	}
	if !strings.Contains(r.err, "alice@example.org") || strings.Contains(r.err, strings.TrimSpace(r.out)) {
		t.Errorf("account add tells %q", r.err)
	}
	if again := must(t, "account", "passwd", "alice@EXAMPLE.org", "--label", "the laptop"); again == r.out {
		t.Error("two app passwords are the same")
	}
	if r := command(t, "chosen-by-me\n", "account", "add", "bob@elsewhere.net", "--password-stdin"); r.code != exitOK {
		t.Errorf("account add --password-stdin: exit %d: %s", r.code, r.err)
	}
	list := must(t, "account", "list")
	if !regexp.MustCompile(`(?m)^alice@example\.org +Alice A\. +2 +0 +0 +never$`).MatchString(list) ||
		!regexp.MustCompile(`(?m)^bob@elsewhere\.net +bob +1 `).MatchString(list) {
		t.Errorf("account list prints\n%s", list)
	}
	if show := must(t, "account", "show", "alice"); !regexp.MustCompile(`app password 2 +the laptop, made 2\d{3}-.*, last used never`).MatchString(show) {
		t.Errorf("account show prints\n%s", show)
	}
	must(t, "account", "passwd", "alice", "--revoke", "1")
	if show := must(t, "account", "show", "alice"); strings.Contains(show, "app password 1 ") || !strings.Contains(show, "app password 2 ") {
		t.Errorf("with the first password revoked account show prints\n%s", show)
	}
	must(t, "account", "passwd", "alice", "--revoke-all")
	if show := must(t, "account", "show", "alice"); strings.Count(show, "app password") != 1 || !strings.Contains(show, "app password 4 ") {
		t.Errorf("with all passwords revoked but a new one account show prints\n%s", show)
	}
	must(t, "account", "remove", "alice")
	refuses(t, exitFailed, "alice@example.org", "account", "show", "alice")
}

// TestNamesCannotSteerTheTerminal: a friendly name is chosen by an MSN client.
func TestNamesCannotSteerTheTerminal(t *testing.T) {
	freshInstall(t)
	must(t, "account", "add", "alice", "--name", "a\x1b[2Jb")
	if out := must(t, "account", "list") + must(t, "account", "show", "alice"); strings.Contains(out, "\x1b") {
		t.Errorf("printed %q", out)
	}
}

func TestAccountsRefuse(t *testing.T) {
	freshInstall(t)
	must(t, "account", "add", "alice")
	refuses(t, exitFailed, "taken", "account", "add", "alice@example.org")
	refuses(t, exitFailed, "helper", "account", "add", "Papillon")
	refuses(t, exitFailed, "name@domain", "account", "add", "@example.org")
	refuses(t, exitFailed, "not allowed", "account", "add", "a b")
	refuses(t, exitFailed, "129 bytes", "account", "add", strings.Repeat("a", 130))
	for _, action := range []string{"show", "passwd", "remove"} {
		refuses(t, exitFailed, "no account bob@example.org", "account", action, "bob")
	}
	refuses(t, exitFailed, "no app password 77", "account", "passwd", "alice", "--revoke", "77")
	refuses(t, exitFailed, "no app password 0", "account", "passwd", "alice", "--revoke", "0")
	for stdin, words := range map[string]string{
		"": "none on standard input", "\n": "none on standard input", "with a blank\n": "without blanks",
		"pässword\n": "ASCII", strings.Repeat("x", 100): "longer",
	} {
		if r := command(t, stdin, "account", "passwd", "alice", "--password-stdin"); r.code != exitFailed || !strings.Contains(r.err, words) {
			t.Errorf("the password %q: exit %d: %s, want %q", stdin, r.code, r.err, words)
		}
	}
	if show := must(t, "account", "show", "alice"); strings.Count(show, "app password") != 1 {
		t.Errorf("a refused password was stored:\n%s", show)
	}
}

func TestRegistration(t *testing.T) {
	freshInstall(t)
	before := read(t, "registration-msn.yaml")
	if out := must(t, "registration"); out != before {
		t.Errorf("registration prints\n%s\nbut the file is\n%s", out, before)
	}
	tokens := regexp.MustCompile(`(?m)^.s_token: .*$`)
	t.Setenv("PAPILLON_MATRIX_HOMESERVER_URL", "http://127.0.0.1:8008")
	t.Setenv("PAPILLON_MATRIX_HOMESERVER_DOMAIN", "new.example")
	t.Setenv("PAPILLON_MATRIX_LISTEN", "127.0.0.1:4711")
	r := command(t, "", "registration")
	if r.code != exitOK || !strings.Contains(r.err, "restart") || r.out != read(t, "registration-msn.yaml") {
		t.Errorf("with another domain: exit %d: %s", r.code, r.err)
	}
	if !strings.Contains(r.out, `new\.example`) || !strings.Contains(r.out, ":4711") ||
		strings.Join(tokens.FindAllString(r.out, -1), "\n") != strings.Join(tokens.FindAllString(before, -1), "\n") {
		t.Errorf("with another domain registration prints\n%s\ninstead of\n%s", r.out, before)
	}
	if r := command(t, "", "registration"); r.err != "" {
		t.Errorf("a second time it still says %q", r.err)
	}

	// What somebody has added by hand stays.
	edited := read(t, "registration-msn.yaml") + "protocols: [msn]\n"
	write(t, "registration-msn.yaml", edited)
	must(t, "registration")
	if read(t, "registration-msn.yaml") != edited {
		t.Error("registration changed a file that fits")
	}
	write(t, "registration-msn.yaml", "id: msn\n")
	refuses(t, exitFailed, "as_token is missing", "registration")
	if err := os.Remove("registration-msn.yaml"); err != nil {
		t.Fatal(err)
	}
	refuses(t, exitFailed, "papillon init", "registration")
}

// read returns a file.
func read(t testing.TB, name string) string {
	t.Helper()
	raw, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// write writes a file.
func write(t testing.TB, name, content string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}
