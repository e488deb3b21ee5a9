package matrix

import (
	"bytes"
	"errors"
	"fmt"
	"net/url"
	"os"
	"regexp"
	"strings"
	"text/template"

	"maunium.net/go/mautrix/appservice"
	"maunium.net/go/mautrix/id"
)

// The ids of the two registrations, as the homeserver knows them.
const (
	RegistrationID       = "msn"
	PuppetRegistrationID = "msn-puppet"
)

// The names that a registration gives out unless it is told otherwise.
const (
	DefaultGhostPrefix = "msn_"
	DefaultBot         = "papillon"
)

// RegistrationOptions says what the registrations of a gateway contain.
type RegistrationOptions struct {
	// Domain is the homeserver's server name, the part behind the colon of
	// its users' ids. It must be set.
	Domain string
	// URL is where the homeserver reaches [Network.Handler]; it must be set
	// for [NewRegistration].
	URL string
	// GhostPrefix begins the local part of every ghost; empty means
	// [DefaultGhostPrefix].
	GhostPrefix string
	// Bot is the local part of the bot; empty means [DefaultBot].
	Bot string
}

// NewRegistration makes the registration of the gateway's ghosts, with fresh
// tokens: an exclusive namespace, events pushed to the URL, no rate limit,
// and ephemeral events in both the spelling of the specification and that of
// older homeservers (MSC2409). See the Application Service API, "Registration".
func NewRegistration(o RegistrationOptions) (*appservice.Registration, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	if u, err := url.Parse(o.URL); err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return nil, fmt.Errorf("make registration: the URL %q is not one that a homeserver can reach: it must be like http://127.0.0.1:29318", o.URL)
	}
	reg := o.blank(RegistrationID, or(o.Bot, DefaultBot))
	reg.URL = o.URL
	reg.EphemeralEvents, reg.SoruEphemeralEvents = true, true
	reg.Namespaces.UserIDs.Register(ghostPattern(or(o.GhostPrefix, DefaultGhostPrefix), o.Domain), true)
	return reg, nil
}

// NewPuppetRegistration makes the second registration, which lets the gateway
// act for people with an account of their own on the homeserver. It has no URL,
// so that the homeserver does not push every local user's events, and its
// namespace is not exclusive, so that people keep their accounts.
func NewPuppetRegistration(o RegistrationOptions) (*appservice.Registration, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	reg := o.blank(PuppetRegistrationID, or(o.Bot, DefaultBot)+"-puppet")
	reg.Namespaces.UserIDs.Register(regexp.MustCompile(`^@.*:`+regexp.QuoteMeta(o.Domain)+`$`), false)
	return reg, nil
}

func (o RegistrationOptions) check() error {
	if !id.ValidateServerName(o.Domain) {
		return fmt.Errorf("make registration: the homeserver's domain %q is not a server name: it must be like example.org", o.Domain)
	}
	return nil
}

// blank makes a registration with fresh tokens and no namespace.
func (o RegistrationOptions) blank(regID, sender string) *appservice.Registration {
	reg := appservice.CreateRegistration()
	limited := false
	reg.ID, reg.SenderLocalpart, reg.RateLimited = regID, sender, &limited
	return reg
}

// ghostPattern is anchored at both ends because homeservers match anywhere.
func ghostPattern(prefix, domain string) *regexp.Regexp {
	return regexp.MustCompile(`^@` + regexp.QuoteMeta(prefix) + `.*:` + regexp.QuoteMeta(domain) + `$`)
}

// registrationTemplate exists because the library's own YAML cannot say
// "url: null", which is what keeps a homeserver from pushing.
var registrationTemplate = template.Must(template.New("registration").Parse(
	`id: {{.ID}}
url: {{if .URL}}{{printf "%q" .URL}}{{else}}null{{end}}
as_token: {{printf "%q" .AppToken}}
hs_token: {{printf "%q" .ServerToken}}
sender_localpart: {{printf "%q" .SenderLocalpart}}
rate_limited: {{if .RateLimited}}{{.RateLimited}}{{else}}true{{end}}
namespaces:
  users:{{range .Namespaces.UserIDs}}
    - exclusive: {{.Exclusive}}
      regex: '{{.Regex}}'{{end}}
  aliases: []
  rooms: []
{{- if .EphemeralEvents}}
receive_ephemeral: true{{end}}
{{- if .SoruEphemeralEvents}}
de.sorunome.msc2409.push_ephemeral: true{{end}}
`))

// RegistrationYAML renders a registration as the file that a homeserver loads.
// It contains secrets.
func RegistrationYAML(reg *appservice.Registration) ([]byte, error) {
	var out bytes.Buffer
	if err := registrationTemplate.Execute(&out, reg); err != nil {
		return nil, fmt.Errorf("render registration: %w", err)
	}
	return out.Bytes(), nil
}

// LoadRegistration reads and checks a registration file. Its errors are one
// line that says what to do.
func LoadRegistration(path string) (*appservice.Registration, error) {
	reg, err := appservice.LoadRegistration(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil, fmt.Errorf("load registration: there is no %s: make one with \"papillon init\"", path)
	case err != nil:
		return nil, fmt.Errorf("load registration %s: %s", path, oneLine(err.Error()))
	}
	if err := checkRegistration(reg); err != nil {
		return nil, fmt.Errorf("load registration %s: %w: make a new one with \"papillon init\" in another folder", path, err)
	}
	return reg, nil
}

// checkRegistration finds the first thing that is missing or wrong.
func checkRegistration(reg *appservice.Registration) error {
	for _, field := range []struct{ name, value string }{
		{"id", reg.ID}, {"as_token", reg.AppToken}, {"hs_token", reg.ServerToken},
		{"sender_localpart", reg.SenderLocalpart},
	} {
		if field.value == "" {
			return fmt.Errorf("%s is missing", field.name)
		}
	}
	if reg.AppToken == reg.ServerToken {
		return errors.New("as_token and hs_token are the same")
	}
	if len(reg.Namespaces.UserIDs) == 0 {
		return errors.New("namespaces.users is empty")
	}
	for _, ns := range reg.Namespaces.UserIDs {
		if _, err := regexp.Compile(ns.Regex); err != nil {
			return fmt.Errorf("the regex %q is not one", ns.Regex)
		}
	}
	return nil
}

// or returns the first string unless it is empty.
func or(s, fallback string) string {
	if s == "" {
		return fallback
	}
	return s
}

// oneLine joins the lines of a text.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
