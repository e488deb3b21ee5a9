package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Config is everything that can be set. Its tags are the one source of the
// example file (doc) and of the names in the file (yaml) and in the environment
// (see [setting]); its defaults stand in [defaultConfig].
type Config struct {
	MSN      MSNConfig      `yaml:"msn" doc:"The MSN server that old clients sign in to."`
	Store    StoreConfig    `yaml:"store" doc:"Where everything is kept. Relative paths start at this file's folder."`
	HTTP     HTTPConfig     `yaml:"http" doc:"Health and figures, for whoever runs this."`
	Matrix   MatrixConfig   `yaml:"matrix" doc:"A Matrix homeserver of your own. While homeserver_url is empty, people are on Matrix\nonly by linking an account elsewhere."`
	Media    MediaConfig    `yaml:"media" doc:"Links to pictures and files, served on http.listen."`
	XMPP     XMPPConfig     `yaml:"xmpp" doc:"XMPP. Accounts of their own are linked with \"papillon link\"; that needs nothing here."`
	Presence PresenceConfig `yaml:"presence" doc:"What to show where MSN has no word for it."`
	Delivery DeliveryConfig `yaml:"delivery" doc:"Messages on their way to a network."`
	Log      LogConfig      `yaml:"log" doc:"The log, on standard error."`
	Limits   LimitsConfig   `yaml:"limits" doc:"What one client or address may use. 0 switches a limit off."`
}

// MSNConfig sets up the MSN server.
type MSNConfig struct {
	Listen        string    `yaml:"listen" doc:"Where MSN clients connect. They look for port 1863. The protocol is plain text:\nlisten beyond this machine only inside a VPN or a trusted network."`
	ExtraListen   []string  `yaml:"extra_listen" doc:"Further addresses to listen on."`
	TLS           TLSConfig `yaml:"tls" doc:"A listener with TLS, for clients behind stunnel or the like."`
	Domain        string    `yaml:"domain" doc:"The domain of handles typed without one, and of the helper contact papillon@<domain>."`
	PublicAddress string    `yaml:"public_address" doc:"The host:port that clients are told to dial for conversations. Empty: the address\nthat the client itself dialled, which suits all but port forwarding."`
	LoginDomains  []string  `yaml:"login_domains" doc:"Further domains to sign in under, for clients that insist on one: with hotmail.com,\nalice@hotmail.com is alice@<domain>, and bob%matrix.org@hotmail.com is bob@matrix.org."`
	ReferTo       string    `yaml:"refer_to" doc:"The host:port that clients are sent to when they begin to sign in; it may be this very\nserver. Empty: they are signed in where they are."`
	Challenge     bool      `yaml:"challenge" doc:"Whether clients of MSNP6 and later are asked CHL after their first CHG. Nobody has to\nanswer, but a wrong answer ends the connection."`
	WebPage       string    `yaml:"web_page" doc:"The page that clients open where the original service named its own.\nEmpty: http://localhost/."`
}

// TLSConfig sets up a listener with TLS.
type TLSConfig struct {
	Listen string `yaml:"listen" doc:"Empty: none."`
	Cert   string `yaml:"cert" doc:"Certificate and key, as PEM files."`
	Key    string `yaml:"key"`
}

// StoreConfig names the files of the store.
type StoreConfig struct {
	Path string `yaml:"path" doc:"The SQLite database."`
	Key  string `yaml:"key" doc:"The key that app passwords and credentials are sealed with. Keep a copy apart from\nthe database: without it they are lost, with both anybody can read them."`
}

// HTTPConfig sets up the listener for operators.
type HTTPConfig struct {
	Listen  string `yaml:"listen" doc:"Serves /healthz, /readyz, /metrics (Prometheus) and the links to pictures and files.\nEmpty: none."`
	BaseURL string `yaml:"base_url" doc:"What links begin with, as the old computers reach this machine: http://192.168.1.2:8080.\nPlain HTTP, which is what old browsers speak. Empty: http:// and http.listen."`
}

// MediaConfig sets up the links to pictures and files.
type MediaConfig struct {
	Expiry       Duration `yaml:"expiry" doc:"How long a link works."`
	Cache        string   `yaml:"cache" doc:"The folder for what was fetched. It belongs to Papillon alone, who empties it."`
	CacheSize    int      `yaml:"cache_size" doc:"How much of it is kept, in MiB."`
	MaxSize      int      `yaml:"max_size" doc:"The largest file that is fetched, in MiB."`
	AllowPrivate []string `yaml:"allow_private" doc:"Private networks that files may be fetched from, like 192.168.1.0/24. Nothing private is\nfetched otherwise: a link would let strangers look around there."`
	Requests     int      `yaml:"requests_per_minute" doc:"Requests of one address."`
}

// MatrixConfig sets up Matrix.
type MatrixConfig struct {
	HomeserverURL    string `yaml:"homeserver_url" doc:"The base URL of the homeserver's client API, like http://127.0.0.1:8008."`
	HomeserverDomain string `yaml:"homeserver_domain" doc:"Its server name, the part behind the colon of its users' ids."`
	Listen           string `yaml:"listen" doc:"Where the homeserver reaches Papillon."`
	AppserviceURL    string `yaml:"appservice_url" doc:"The same as a URL, for the registration. Empty: http:// and matrix.listen."`
	Registration     string `yaml:"registration" doc:"The registration that the homeserver has loaded; \"papillon init\" made it."`
	OwnRegistration  string `yaml:"own_registration" doc:"The second one, for people who use Messenger with their own account on the homeserver.\nWithout the file there is no such thing."`
	SignUp           bool   `yaml:"sign_up" doc:"Whether people of the homeserver may make MSN accounts for themselves by writing to the\nbot. It takes the second registration."`
}

// XMPPConfig sets up XMPP.
type XMPPConfig struct {
	Component ComponentConfig `yaml:"component" doc:"A component of an XMPP server (XEP-0114): every user is on XMPP as name@<domain>.\nSwitched off while domain is empty."`
	Priority  int             `yaml:"priority" doc:"The priority of linked accounts' sessions, -128 to 127. Below 0 their messages go to\nother clients while any is there."`
	CA        string          `yaml:"ca" doc:"A PEM file of certificates to trust besides the system's, for servers with one of their own."`
}

// ComponentConfig sets up an XMPP component (XEP-0114).
type ComponentConfig struct {
	Address string   `yaml:"address" doc:"Where the server takes components. The protocol is plain text: keep it on one machine."`
	Domain  string   `yaml:"domain" doc:"The component's domain, like msn.example.org."`
	Secret  Secret   `yaml:"secret" doc:"The secret that the server has for it."`
	SignUp  []string `yaml:"sign_up" doc:"Domains whose people may make MSN accounts for themselves by writing to the component;\n\"*\" is everybody, \"none\" nobody. Empty: the domain above the component's."`
}

// PresenceConfig says how to show presences that MSN has no word for.
type PresenceConfig struct {
	Unknown string   `yaml:"unknown" doc:"The status of contacts whose network does not tell: NLN, IDL, AWY, BSY, BRB, PHN,\nLUN or FLN. Clients do not write to FLN."`
	Offline string   `yaml:"offline" doc:"The status of contacts who are known to be offline. AWY lets clients write to them\nall the same; the message waits there."`
	Poll    Duration `yaml:"poll" doc:"How often the presence of contacts is asked for that does not come by itself."`
}

// DeliveryConfig says how long to try.
type DeliveryConfig struct {
	GiveUpAfter Duration `yaml:"give_up_after" doc:"How long a message is tried before its writer is told that it failed. 0: for ever."`
	Missed      int      `yaml:"missed" doc:"How many missed messages of one conversation are shown, the newest, where the network keeps the others. 0: all."`
}

// LogConfig sets up the log.
type LogConfig struct {
	Level  string `yaml:"level" doc:"trace, debug, info, warn or error. Texts of messages never appear at info or above."`
	Format string `yaml:"format" doc:"console, json, or auto: console on a terminal, else json."`
}

// LimitsConfig bounds what clients may use.
type LimitsConfig struct {
	Line                  int      `yaml:"line" doc:"Bytes of one command line."`
	Payload               int      `yaml:"payload" doc:"Bytes of one message."`
	Unauthenticated       Duration `yaml:"unauthenticated" doc:"How long a connection may take to sign in."`
	SwitchboardIdle       Duration `yaml:"switchboard_idle" doc:"How long a conversation may be silent before its connection is closed; clients open\nanother for the next message."`
	CommandsPerSecond     int      `yaml:"commands_per_second" doc:"Commands of one connection; a faster client is slowed down."`
	CommandBurst          int      `yaml:"command_burst" doc:"How many of them may come at once."`
	SignInsPerMinute      int      `yaml:"sign_ins_per_minute" doc:"Sign-in attempts of one address."`
	SignInAttempts        int      `yaml:"sign_in_attempts" doc:"Failed sign-ins of one address at one account within sign_in_window."`
	SignInWindow          Duration `yaml:"sign_in_window" doc:"How long a failed sign-in counts."`
	SignInDelay           Duration `yaml:"sign_in_delay" doc:"How long the first failed one takes, whatever the reason. Each further one that counts\ntakes twice as long as the one before."`
	SignInDelayMax        Duration `yaml:"sign_in_delay_max" doc:"The longest that one takes."`
	ConnectionsPerAddress int      `yaml:"connections_per_address" doc:"Open connections of one address."`
	Participants          int      `yaml:"participants" doc:"People in one conversation."`
	ListLength            int      `yaml:"list_length" doc:"Entries on one contact list."`
	SendQueue             int      `yaml:"send_queue" doc:"Bytes that may wait for a client that does not read; one more and it is dropped."`
}

// defaultConfig is what holds where nothing is set.
func defaultConfig() *Config {
	return &Config{
		MSN:      MSNConfig{Listen: "127.0.0.1:1863", Domain: "msn.localhost"},
		Store:    StoreConfig{Path: "papillon.db", Key: "papillon.key"},
		Media:    MediaConfig{Expiry: Duration(7 * 24 * time.Hour), Cache: "papillon-media", CacheSize: 256, MaxSize: 64, Requests: 120},
		XMPP:     XMPPConfig{Component: ComponentConfig{Address: "127.0.0.1:5347"}},
		Matrix:   MatrixConfig{Listen: "127.0.0.1:29341", Registration: "registration-msn.yaml", OwnRegistration: puppetName, SignUp: true},
		Presence: PresenceConfig{Unknown: "IDL", Offline: "FLN", Poll: Duration(30 * time.Second)},
		Delivery: DeliveryConfig{GiveUpAfter: Duration(72 * time.Hour), Missed: 100},
		Log:      LogConfig{Level: "info", Format: "auto"},
		Limits: LimitsConfig{
			Line: 8 << 10, Payload: 64 << 10,
			Unauthenticated: Duration(time.Minute), SwitchboardIdle: Duration(30 * time.Minute),
			CommandsPerSecond: 50, CommandBurst: 200,
			SignInsPerMinute: 60, SignInAttempts: 10, SignInWindow: Duration(5 * time.Minute),
			SignInDelay: Duration(100 * time.Millisecond), SignInDelayMax: Duration(6400 * time.Millisecond),
			ConnectionsPerAddress: 500,
			Participants:          50, ListLength: 1000, SendQueue: 1 << 20,
		},
	}
}

// configError is a configuration that cannot be used: exit code 2.
type configError struct{ error }

// Unwrap returns what is wrong with it.
func (e configError) Unwrap() error { return e.error }

// loadConfig reads a configuration file and the environment over the defaults,
// and checks the result. Its errors name every problem with its key.
func loadConfig(path string) (*Config, error) {
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, configError{fmt.Errorf("there is no %s: run \"papillon init\", or name the file with -c", path)}
	}
	if err != nil {
		return nil, configError{fmt.Errorf("read configuration: %w", err)}
	}
	c := defaultConfig()
	problems := slices.Concat(c.parse(raw), c.fromEnvironment(os.Environ()), c.problems())
	if len(problems) > 0 {
		return nil, newConfigError(path, problems)
	}
	c.MSN.Domain = strings.ToLower(c.MSN.Domain) // as all handles are, which are compared with it
	c.resolve(filepath.Dir(path))
	return c, nil
}

// newConfigError lists all that is wrong with a configuration, in one line as every
// error.
func newConfigError(what string, problems []error) error {
	if len(problems) == 1 {
		return configError{fmt.Errorf("%s: %w", what, problems[0])}
	}
	all := make([]string, len(problems))
	for i, p := range problems {
		all[i] = p.Error()
	}
	return configError{fmt.Errorf("%s has %d mistakes: %s", what, len(problems), strings.Join(all, "; "))}
}

// resolve makes relative paths start at the configuration's folder.
func (c *Config) resolve(dir string) {
	for _, p := range []*string{&c.Store.Path, &c.Store.Key, &c.Matrix.Registration, &c.Matrix.OwnRegistration, &c.MSN.TLS.Cert, &c.MSN.TLS.Key, &c.Media.Cache, &c.XMPP.CA} {
		if *p != "" && !filepath.IsAbs(*p) {
			*p = filepath.Join(dir, *p)
		}
	}
}
