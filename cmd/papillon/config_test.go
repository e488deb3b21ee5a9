package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/rs/zerolog"
	"pgregory.net/rapid"
)

// load loads a configuration file with the given content.
func load(t *testing.T, content string) (*Config, error) {
	t.Helper()
	t.Chdir(t.TempDir())
	write(t, "config.yaml", content)
	return loadConfig("config.yaml")
}

// TestConfigDefaults: a file that sets nothing changes nothing.
func TestConfigDefaults(t *testing.T) {
	for _, content := range []string{"", "# nothing\n", "---\n", "msn:\n", "msn:\n  listen:\n", "{}\n", "msn: {}\n"} {
		c, err := load(t, content)
		if err != nil {
			t.Errorf("%q: %v", content, err)
			continue
		}
		if diff := cmp.Diff(defaultConfig(), c); diff != "" {
			t.Errorf("%q: %s", content, diff)
		}
	}
}

func TestConfigValues(t *testing.T) {
	c, err := load(t, `
msn:
  listen: "[::1]:1863"
  extra_listen: [127.0.0.1:1863, "127.0.0.1:1864"]
  login_domains:
    - hotmail.com
    - msn.com
  domain: 'msn.example.org'
store: {path: /var/lib/papillon.db}
delivery:
  give_up_after: 0
limits:
  line: 0
  unauthenticated: 90s
  connections_per_address: 20000
`)
	if err != nil {
		t.Fatal(err)
	}
	want := defaultConfig()
	want.MSN.Listen, want.MSN.Domain = "[::1]:1863", "msn.example.org"
	want.MSN.ExtraListen = []string{"127.0.0.1:1863", "127.0.0.1:1864"}
	want.MSN.LoginDomains = []string{"hotmail.com", "msn.com"}
	want.Store.Path = "/var/lib/papillon.db"
	want.Delivery.GiveUpAfter, want.Limits.Line = 0, 0
	want.Limits.Unauthenticated, want.Limits.ConnectionsPerAddress = Duration(90*time.Second), 20000
	if diff := cmp.Diff(want, c); diff != "" {
		t.Error(diff)
	}
	if c, err = load(t, "msn:\n  domain: MSN.Example.ORG\n"); err != nil || c.MSN.Domain != "msn.example.org" {
		t.Errorf("a domain in capitals: %v, %v", c, err)
	}
	if c, err = load(t, "\ufeffmsn:\r\n  domain: a.org\r\n"); err != nil || c.MSN.Domain != "a.org" {
		t.Errorf("as an editor of Windows writes it: %v, %v", c, err)
	}
	if c, err = load(t, "msn:\n  login_domains: hotmail.com\n"); err != nil || !slices.Equal(c.MSN.LoginDomains, []string{"hotmail.com"}) {
		t.Errorf("one domain without brackets: %v, %v", c, err)
	}
}

// TestConfigPathsStartAtTheFile: wherever papillon is called.
func TestConfigPathsStartAtTheFile(t *testing.T) {
	t.Chdir(t.TempDir())
	must(t, "init", "--dir", "there")
	c, err := loadConfig("there/config.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if c.Store.Path != "there/papillon.db" || c.Store.Key != "there/papillon.key" || c.Matrix.Registration != "there/registration-msn.yaml" {
		t.Errorf("paths: %+v, %q", c.Store, c.Matrix.Registration)
	}
	must(t, "account", "list", "-c", "there/config.yaml")
}

// TestConfigMistakes: each is told with where it is, and what would be right.
func TestConfigMistakes(t *testing.T) {
	for content, want := range map[string]string{
		"msn:\n  lisen: x\n":                        `line 2: msn.lisen: there is no such setting`,
		"listen: x\n":                               `line 1: listen: there is no such setting`,
		"msn: 1863\n":                               `line 1: msn: settings must follow`,
		"- msn\n":                                   `line 1: the file: settings must follow`,
		"msn:\n  listen: [127.0.0.1:1863]\n":        `line 2: msn.listen: a single value must follow`,
		"msn:\n  listen: {a: b}\n":                  `line 2: msn.listen: a single value must follow`,
		"msn:\n  extra_listen: [[a]]\n":             `line 2: msn.extra_listen: every item of the list must be a single value`,
		"msn:\n  listen: a\n  listen: b\n":          `line 3: `,
		"msn:\n\tlisten: a\n":                       `line 2: `,
		"msn: [\n":                                  `line 1: `,
		"msn: {domain: a}\n---\nmsn: {domain: b}\n": `a second document`,
		"limits:\n  line: many\n":                   `line 2: limits.line: "many" is not a whole number`,
		"limits:\n  line: 1.5\n":                    `line 2: limits.line: "1.5" is not a whole number`,
		"limits:\n  line: 2147483648\n":             `line 2: limits.line: 2147483648 is out of range: write a number up to 2147483647`,
		"media: {max_size: 9223372036854775807}\n":  `line 1: media.max_size: 9223372036854775807 is out of range`,
		"limits:\n  line: 10\n":                     `limits.line: must be 0 (switched off) or at least 256`,
		"limits:\n  participants: -1\n":             `limits.participants: must be 0`,
		"limits:\n  sign_in_delay_max: 99ms\n":      `limits.sign_in_delay_max: must be 0 (switched off) or at least limits.sign_in_delay`,
		"limits:\n  sign_in_window: -1s\n":          `limits.sign_in_window: must be 0`,
		"limits:\n  switchboard_idle: -5m\n":        `limits.switchboard_idle: must be 0`,
		"limits:\n  unauthenticated: 60\n":          `line 2: limits.unauthenticated: "60" is not a time span; write it like 90s`,
		"delivery:\n  give_up_after: -1h\n":         `delivery.give_up_after: must not be negative`,
		"delivery:\n  missed: -1\n":                 `delivery.missed: must not be negative`,
		"presence:\n  poll: 0\n":                    `presence.poll: must be longer than 0`,
		"presence:\n  unknown: HDN\n":               `presence.unknown: "HDN" is no status: write NLN`,
		"presence:\n  offline: away\n":              `presence.offline: "away" is no status`,
		"msn:\n  listen: localhost\n":               `msn.listen: "localhost" is not of the form host:port`,
		"msn:\n  listen: localhost:port\n":          `msn.listen: "localhost:port" has no valid port`,
		"msn:\n  listen: \"\"\n":                    `msn.listen: "" is not of the form host:port`,
		"msn:\n  extra_listen: [x]\n":               `msn.extra_listen: "x" is not of the form host:port`,
		"msn:\n  extra_listen: [127.0.0.1:1863]\n":  `msn.extra_listen: 127.0.0.1:1863 is the address of msn.listen already`,
		"http:\n  listen: 127.0.0.1:1863\n":         `http.listen: 127.0.0.1:1863 is the address of msn.listen already`,
		"msn:\n  domain: a b\n":                     `msn.domain: "a b" is not a domain like example.org`,
		"msn:\n  domain: my_home\n":                 `msn.domain: "my_home" is not a domain like example.org`,
		"msn:\n  domain: a.org:8448\n":              `msn.domain: "a.org:8448" is not a domain like example.org`,
		"msn:\n  domain: a..org\n":                  `msn.domain: "a..org" is not a domain like example.org`,
		"msn:\n  login_domains: [a@b]\n":            `msn.login_domains: "a@b" is not a domain like example.org`,
		"msn:\n  public_address: msn.example.org\n": `msn.public_address: "msn.example.org" is not of the form host:port`,
		"msn:\n  refer_to: msn.example.org\n":       `msn.refer_to: "msn.example.org" is not of the form host:port`,
		"msn:\n  public_address: 192.0.2.1:0\n":     `msn.public_address: "192.0.2.1:0" has no valid port`,
		"msn:\n  public_address: \"[::1]:99999\"\n": `msn.public_address: "[::1]:99999" has no valid port`,
		"msn:\n  refer_to: msn.example.org:http\n":  `msn.refer_to: "msn.example.org:http" has no valid port`,
		"msn:\n  web_page: example.org\n":           `msn.web_page: "example.org" is not a URL like http://www.example.org/`,
		"msn:\n  web_page: http://a/b c\n":          `msn.web_page: "http://a/b c" has blanks`,
		"msn:\n  challenge: perhaps\n":              `msn.challenge: "perhaps" is neither true nor false`,
		"msn:\n  tls: {listen: 127.0.0.1:1}\n":      `msn.tls: listen, cert and key go together`,
		"store:\n  key: \"\"\n":                     `store.key: a file must be named`,
		"matrix:\n  homeserver_url: matrix.org\n":   `matrix.homeserver_url: "matrix.org" is not a URL like http://127.0.0.1:8008`,
		"matrix:\n  homeserver_url: http://a\n":     `matrix.homeserver_domain: must be set as well`,
		"matrix:\n  homeserver_domain: a.org\n":     `matrix.homeserver_url: must be set as well`,
		"matrix:\n  homeserver_domain: http://a\n":  `matrix.homeserver_domain: "http://a" is not a server name`,
		"matrix:\n  appservice_url: a:1\n":          `matrix.appservice_url: "a:1" is not a URL`,
		"matrix: {homeserver_url: 'http://a', homeserver_domain: a, listen: '0.0.0.0:1'}\n": `matrix.appservice_url: must be set as well`,
		"matrix: {homeserver_url: 'http://a', homeserver_domain: a, listen: ':1'}\n":        `matrix.appservice_url: must be set as well`,
		"xmpp:\n  component: {address: nowhere}\n":                                          `xmpp.component.address: "nowhere" is not of the form host:port`,
		"xmpp:\n  component: {domain: msn.example.org}\n":                                   `xmpp.component.secret: must be set as well`,
		"xmpp:\n  priority: 128\n":                                                          `xmpp.priority: must be from -128 to 127`,
		"media:\n  allow_private: [here]\n":                                                 `media.allow_private: "here" is not a network`,
		"log:\n  level: loud\n":                                                             `log.level: "loud" is none of trace, debug, info, warn and error`,
		"log:\n  level: disabled\n":                                                         `log.level: "disabled" is none of trace, debug, info, warn and error`,
		"log:\n  level: 9\n":                                                                `log.level: "9" is none of trace, debug, info, warn and error`,
		"log:\n  format: xml\n":                                                             `log.format: "xml" is none of auto, console and json`,
		"msn: &a {domain: a.org}\nhttp: *a\n":                                               `settings must follow`,
	} {
		_, err := load(t, content)
		var bad configError
		if !errors.As(err, &bad) || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q:\n got %v\nwant %s", content, err, want)
		}
	}
}

// TestAllMistakesAtOnce: in file, environment and combination, in one line; nobody has
// to start a server five times.
func TestAllMistakesAtOnce(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "config.yaml", `msn:
  lisen: 127.0.0.1:1863
  domain: "@"
limits:
  line: many
zap: 1
`)
	t.Setenv("PAPILLON_PRESENCE_POLL", "often")
	t.Setenv("PAPILLON_PRESENCE_UNKNOWN", "XXX")
	t.Setenv("PAPILLON_LIMITS_LIME", "1")
	r := command(t, "", "serve")
	want := "papillon: " + strings.Join([]string{
		`config.yaml has 7 mistakes: line 2: msn.lisen: there is no such setting; "papillon example-config" lists them all`,
		`line 5: limits.line: "many" is not a whole number`,
		`line 6: zap: there is no such setting; "papillon example-config" lists them all`,
		`PAPILLON_LIMITS_LIME: there is no such setting; "papillon example-config" lists them all`,
		`PAPILLON_PRESENCE_POLL: "often" is not a time span; write it like 90s, 5m or 72h`,
		`msn.domain: "@" is not a domain like example.org`,
		`presence.unknown: "XXX" is no status: write NLN, IDL, AWY, BSY, BRB, PHN, LUN or FLN`,
	}, "; ") + "\n"
	if r.code != exitUsage || regexp.MustCompile(`/\S*/`).ReplaceAllString(r.err, "") != want {
		t.Errorf("exit %d:\n%s\nwant\n%s", r.code, r.err, want)
	}
}

// TestNoConfig: the first thing that everybody meets.
func TestNoConfig(t *testing.T) {
	t.Chdir(t.TempDir())
	refuses(t, exitUsage, "papillon init", "serve")
	refuses(t, exitUsage, "papillon init", "account", "list", "-c", "elsewhere.yaml")
	refuses(t, exitUsage, "is a directory", "serve", "-c", ".")
	write(t, "config.yaml", "msn:\n  lisen: x\n")
	refuses(t, exitUsage, "line 2: msn.lisen", "account", "list")
}

func TestEnvironment(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "config.yaml", "msn:\n  domain: file.org\n  listen: 127.0.0.1:1\n")
	write(t, "domain", "from-a-file.org\n")
	t.Setenv("PAPILLON_MSN_DOMAIN_FILE", "domain")
	t.Setenv("PAPILLON_MSN_LISTEN", "127.0.0.1:2")
	t.Setenv("PAPILLON_MSN_LOGIN_DOMAINS", "hotmail.com, msn.com")
	t.Setenv("PAPILLON_LIMITS_CONNECTIONS_PER_ADDRESS", "0")
	t.Setenv("PAPILLON_DELIVERY_GIVE_UP_AFTER", "5m")
	t.Setenv("PAPILLON_STORE_PATH", "")              // counts as not set
	t.Setenv("PAPILLON_PORT", "tcp://10.0.0.1:1863") // somebody else's
	c, err := loadConfig("config.yaml")
	if err != nil {
		t.Fatal(err)
	}
	want := defaultConfig()
	want.MSN.Domain, want.MSN.Listen, want.MSN.LoginDomains = "from-a-file.org", "127.0.0.1:2", []string{"hotmail.com", "msn.com"}
	want.Limits.ConnectionsPerAddress, want.Delivery.GiveUpAfter = 0, Duration(5*time.Minute)
	if diff := cmp.Diff(want, c); diff != "" {
		t.Error(diff)
	}
	t.Setenv("PAPILLON_MSN_DOMAIN", "b.org")
	if _, err := loadConfig("config.yaml"); err == nil || !strings.Contains(err.Error(), "PAPILLON_MSN_DOMAIN is set as well") {
		t.Errorf("set twice: %v", err)
	}
	t.Setenv("PAPILLON_MSN_DOMAIN", "")
	t.Setenv("PAPILLON_MSN_DOMAIN_FILE", "nowhere")
	if _, err := loadConfig("config.yaml"); err == nil || !strings.Contains(err.Error(), "PAPILLON_MSN_DOMAIN_FILE: open nowhere") {
		t.Errorf("a file that is not there: %v", err)
	}
}

// TestEverySettingCanBeSet: from the file and from the environment, which differ
// from the default afterwards.
func TestEverySettingCanBeSet(t *testing.T) {
	for i, s := range new(Config).settings() {
		var text string
		switch s.value.Addr().Interface().(type) {
		case *int:
			text = "4711"
		case *bool:
			text = strconv.FormatBool(!defaultConfig().settings()[i].value.Bool())
		case *Duration:
			text = "47m11s"
		default:
			text = "something.else"
		}
		path := strings.Split(s.key, ".")
		var file strings.Builder
		for depth, name := range path {
			fmt.Fprintf(&file, "%s%s:", strings.Repeat("  ", depth), name)
			if depth < len(path)-1 {
				file.WriteString("\n")
			}
		}
		file.WriteString(" " + text + "\n")
		fromFile, fromEnv := defaultConfig(), defaultConfig()
		if problems := fromFile.parse([]byte(file.String())); len(problems) > 0 {
			t.Errorf("%s: %v", s.key, problems)
		}
		if problems := fromEnv.fromEnvironment([]string{s.env() + "=" + text}); len(problems) > 0 {
			t.Errorf("%s: %v", s.env(), problems)
		}
		if !reflect.DeepEqual(fromFile, fromEnv) || reflect.DeepEqual(fromFile, defaultConfig()) {
			t.Errorf("%s: %+v from the file, %+v from the environment", s.key, fromFile.settings()[i], fromEnv.settings()[i])
		}
	}
}

// TestSecretsDoNotShow: whichever way a configuration is printed.
func TestSecretsDoNotShow(t *testing.T) {
	c := defaultConfig()
	c.XMPP.Component.Secret = "hunter2"
	asJSON, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	logger := zerolog.New(&log)
	logger.Info().Interface("config", c).Stringer("secret", c.XMPP.Component.Secret).Send()
	for _, shown := range []string{
		fmt.Sprint(c), fmt.Sprintf("%+v", c), fmt.Sprintf("%#v", c), fmt.Sprintf("%q %x", c.XMPP.Component, c.XMPP.Component), string(asJSON), log.String(),
	} {
		if strings.Contains(shown, "hunter2") || strings.Contains(shown, fmt.Sprintf("%x", "hunter2")) {
			t.Errorf("the secret shows in %s", shown)
		}
	}
}

// TestDocumentsNameRealSettings: what people read and run names no setting that
// does not exist.
func TestDocumentsNameRealSettings(t *testing.T) {
	real, sections := make(map[string]bool), make(map[string]bool)
	for _, s := range new(Config).settings() {
		real[s.key], real[s.env()], real[s.env()+"_FILE"] = true, true, true
		for key := s.key; strings.Contains(key, "."); {
			key = key[:strings.LastIndexByte(key, '.')]
			sections[key] = true
			real[key] = true
		}
	}
	words := regexp.MustCompile(`PAPILLON_[A-Z_]+|\x60[a-z]+\.[a-z_.]+`)
	found := 0
	for _, name := range []string{
		"README.md", "docs/configuration.md", "docs/matrix.md", "docs/media.md", "docs/security.md", "docs/xmpp.md",
		"Dockerfile", "compose.yaml", "tools/demo/stage.go",
	} {
		for _, word := range words.FindAllString(read(t, filepath.Join("..", "..", name)), -1) {
			key := strings.TrimRight(strings.TrimPrefix(word, "`"), ".")
			section, _, _ := strings.Cut(key, ".")
			if key == "PAPILLON_MSN_LISTN" || strings.HasSuffix(key, ".example.org") {
				continue // examples of a mistake, and of a domain
			}
			if strings.HasPrefix(word, "PAPILLON_") || sections[section] {
				found++
				if !real[key] {
					t.Errorf("%s names %s, which does not exist", name, key)
				}
			}
		}
	}
	if found < 30 {
		t.Errorf("only %d settings found: the test looks for the wrong thing", found)
	}
}

// TestWrittenConfigReadsTheSame: whatever the environment gives init to write.
func TestWrittenConfigReadsTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := defaultConfig()
		text := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{
			"", "~", "null", "yes", "0x10", "1_000", "1e3", "- a", "a: b", "#a", "a #b", "'", `"`, `\`, "[", "{}", "&a", "*a", "!!int 1", " a ", "|", ">-", "%", "@", "?",
		}))
		c.Store.Path, c.MSN.Domain = text.Draw(t, "path"), text.Draw(t, "domain")
		c.MSN.LoginDomains = rapid.SliceOf(text).Draw(t, "login domains")
		c.XMPP.Component.Secret = Secret(text.Draw(t, "secret"))
		c.Limits.Line = int(rapid.Int32().Draw(t, "line"))
		c.Presence.Poll = Duration(rapid.Int64().Draw(t, "poll"))
		var written strings.Builder
		if err := writeConfig(&written, c); err != nil {
			t.Fatal(err)
		}
		again := new(Config)
		if problems := again.parse([]byte(written.String())); len(problems) > 0 {
			t.Fatalf("%v in\n%s", problems, written.String())
		}
		if diff := cmp.Diff(c, again, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s in\n%s", diff, written.String())
		}
	})
}
