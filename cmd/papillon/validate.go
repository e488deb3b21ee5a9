package main

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"maunium.net/go/mautrix/id"

	"papillon/bridge"
	"papillon/msnp"
)

// logLevels are those to choose from. The library has more, by number too, which would
// leave nothing in the log.
var logLevels = []string{"trace", "debug", "info", "warn", "error"}

// problems checks everything and returns all that is wrong, each with its key.
func (c *Config) problems() (all []error) {
	bad := func(key, format string, args ...any) {
		all = append(all, fmt.Errorf("%s: %s", key, fmt.Sprintf(format, args...)))
	}
	c.checkMSN(bad)
	c.checkMatrix(bad)
	c.checkXMPP(bad)
	c.checkMedia(bad)
	checkFile(bad, "store.path", c.Store.Path)
	checkFile(bad, "store.key", c.Store.Key)
	checkAddress(bad, "http.listen", c.HTTP.Listen, true)
	c.checkClashes(bad)
	c.checkPresence(bad)
	if !slices.Contains(logLevels, strings.ToLower(c.Log.Level)) {
		bad("log.level", "%q is none of trace, debug, info, warn and error", c.Log.Level)
	}
	if f := c.Log.Format; f != "auto" && f != "console" && f != "json" {
		bad("log.format", "%q is none of auto, console and json", f)
	}
	c.checkLimits(bad)
	return all
}

// complaint takes one problem.
type complaint func(key, format string, args ...any)

func (c *Config) checkMSN(bad complaint) {
	checkAddress(bad, "msn.listen", c.MSN.Listen, false)
	for _, addr := range c.MSN.ExtraListen {
		checkAddress(bad, "msn.extra_listen", addr, false)
	}
	checkAddress(bad, "msn.tls.listen", c.MSN.TLS.Listen, true)
	if t := c.MSN.TLS; t != (TLSConfig{}) && (t.Listen == "" || t.Cert == "" || t.Key == "") {
		bad("msn.tls", "listen, cert and key go together: set all three or none")
	}
	checkDomain(bad, "msn.domain", c.MSN.Domain)
	for _, d := range c.MSN.LoginDomains {
		checkDomain(bad, "msn.login_domains", d)
	}
	checkHostPort(bad, "msn.public_address", c.MSN.PublicAddress)
	checkHostPort(bad, "msn.refer_to", c.MSN.ReferTo)
	checkURL(bad, "msn.web_page", c.MSN.WebPage, "http://www.example.org/")
	if strings.ContainsAny(c.MSN.WebPage, " \t\r\n") {
		bad("msn.web_page", "%q has blanks: it is one word of a line to the client", c.MSN.WebPage)
	}
}

// checkHostPort wants an address that clients are told to dial, or none. They know no
// names of ports.
func checkHostPort(bad complaint, key, addr string) {
	if addr == "" {
		return
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil || host == "" || port == "" || strings.ContainsAny(addr, " \t\r\n") {
		bad(key, "%q is not of the form host:port", addr)
		return
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		bad(key, "%q has no valid port", addr)
	}
}

func (c *Config) checkMatrix(bad complaint) {
	m := c.Matrix
	checkAddress(bad, "matrix.listen", m.Listen, false)
	checkFile(bad, "matrix.registration", m.Registration)
	checkFile(bad, "matrix.own_registration", m.OwnRegistration)
	checkURL(bad, "matrix.appservice_url", m.AppserviceURL, "http://127.0.0.1:29341")
	checkURL(bad, "matrix.homeserver_url", m.HomeserverURL, "http://127.0.0.1:8008")
	if m.HomeserverDomain != "" && !id.ValidateServerName(m.HomeserverDomain) {
		bad("matrix.homeserver_domain", "%q is not a server name like example.org", m.HomeserverDomain)
	}
	if m.HomeserverURL != "" && m.HomeserverDomain == "" {
		bad("matrix.homeserver_domain", "must be set as well: the part behind the colon of the homeserver's user ids")
	}
	if m.HomeserverURL != "" && m.AppserviceURL == "" && anyAddress(m.Listen) {
		bad("matrix.appservice_url", "must be set as well: matrix.listen names no address that the homeserver could dial")
	}
	if m.HomeserverURL == "" && m.HomeserverDomain != "" {
		bad("matrix.homeserver_url", "must be set as well: without it Matrix is switched off")
	}
}

func (c *Config) checkXMPP(bad complaint) {
	x := c.XMPP
	checkAddress(bad, "xmpp.component.address", x.Component.Address, false)
	if d := x.Component.Domain; d != "" {
		checkDomain(bad, "xmpp.component.domain", d)
		if x.Component.Secret == "" {
			bad("xmpp.component.secret", "must be set as well: the secret that the XMPP server has for %s", d)
		}
	}
	for _, d := range x.Component.SignUp {
		if d != "*" && d != "none" {
			checkDomain(bad, "xmpp.component.sign_up", d)
		}
	}
	if x.Priority < -128 || x.Priority > 127 {
		bad("xmpp.priority", "must be from -128 to 127")
	}
}

func (c *Config) checkMedia(bad complaint) {
	m := c.Media
	checkURL(bad, "http.base_url", c.HTTP.BaseURL, "http://192.168.1.2:8080")
	checkFile(bad, "media.cache", m.Cache)
	for _, limit := range []struct {
		key   string
		value int64
	}{
		{"media.expiry", int64(m.Expiry)}, {"media.cache_size", int64(m.CacheSize)},
		{"media.max_size", int64(m.MaxSize)}, {"media.requests_per_minute", int64(m.Requests)},
	} {
		if limit.value <= 0 {
			bad(limit.key, "must be more than 0")
		}
	}
	for _, p := range m.AllowPrivate {
		if _, err := netip.ParsePrefix(p); err != nil {
			bad("media.allow_private", "%q is not a network like 192.168.1.0/24", p)
		}
	}
}

func (c *Config) checkPresence(bad complaint) {
	checkStatus(bad, "presence.unknown", c.Presence.Unknown)
	checkStatus(bad, "presence.offline", c.Presence.Offline)
	if c.Presence.Poll <= 0 {
		bad("presence.poll", "must be longer than 0")
	}
	if c.Delivery.GiveUpAfter < 0 {
		bad("delivery.give_up_after", "must not be negative")
	}
	if c.Delivery.Missed < 0 {
		bad("delivery.missed", "must not be negative")
	}
}

// checkClashes wants each address once: the second listener would find it taken.
func (c *Config) checkClashes(bad complaint) {
	keys := make(map[string]string)
	check := func(key, addr string) {
		if _, port, err := net.SplitHostPort(addr); err != nil || port == "0" {
			return
		}
		if first := keys[addr]; first != "" {
			bad(key, "%s is the address of %s already", addr, first)
		}
		keys[addr] = key
	}
	check("msn.listen", c.MSN.Listen)
	for _, addr := range c.MSN.ExtraListen {
		check("msn.extra_listen", addr)
	}
	check("msn.tls.listen", c.MSN.TLS.Listen)
	check("matrix.listen", c.Matrix.Listen)
	check("http.listen", c.HTTP.Listen)
}

func (c *Config) checkLimits(bad complaint) {
	l := c.Limits
	for _, limit := range []struct {
		key   string
		value int64
		least int64 // what a client needs, unless switched off
	}{
		{"limits.line", int64(l.Line), 256},
		{"limits.payload", int64(l.Payload), 1664},
		{"limits.unauthenticated", int64(l.Unauthenticated), 1},
		{"limits.switchboard_idle", int64(l.SwitchboardIdle), 1},
		{"limits.commands_per_second", int64(l.CommandsPerSecond), 1},
		{"limits.command_burst", int64(l.CommandBurst), 1},
		{"limits.sign_ins_per_minute", int64(l.SignInsPerMinute), 1},
		{"limits.sign_in_attempts", int64(l.SignInAttempts), 1},
		{"limits.sign_in_window", int64(l.SignInWindow), 1},
		{"limits.sign_in_delay", int64(l.SignInDelay), 1},
		{"limits.sign_in_delay_max", int64(l.SignInDelayMax), 1},
		{"limits.connections_per_address", int64(l.ConnectionsPerAddress), 2},
		{"limits.participants", int64(l.Participants), 2},
		{"limits.list_length", int64(l.ListLength), 1},
		{"limits.send_queue", int64(l.SendQueue), 16 << 10},
	} {
		if limit.value != 0 && limit.value < limit.least {
			bad(limit.key, "must be 0 (switched off) or at least %d", limit.least)
		}
	}
	if 0 < l.SignInDelayMax && l.SignInDelayMax < l.SignInDelay {
		bad("limits.sign_in_delay_max", "must be 0 (switched off) or at least limits.sign_in_delay")
	}
}

// checkAddress wants host:port to listen on.
func checkAddress(bad complaint, key, addr string, optional bool) {
	if addr == "" && optional {
		return
	}
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		bad(key, "%q is not of the form host:port", addr)
		return
	}
	if _, err := net.LookupPort("tcp", port); err != nil {
		bad(key, "%q has no valid port", addr)
	}
}

// checkFile wants a file named.
func checkFile(bad complaint, key, path string) {
	if path == "" {
		bad(key, "a file must be named")
	}
}

// checkURL wants the base URL of a server, or none.
func checkURL(bad complaint, key, text, example string) {
	if text == "" {
		return
	}
	if u, err := url.Parse(text); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		bad(key, "%q is not a URL like %s", text, example)
	}
}

// checkStatus wants a status that a contact can have.
func checkStatus(bad complaint, key, word string) {
	if st, ok := msnp.ParseStatus(word); !ok || st == msnp.Hidden {
		bad(key, "%q is no status: write NLN, IDL, AWY, BSY, BRB, PHN, LUN or FLN", word)
	}
}

// anyAddress says whether an address to listen on stands for all of the machine.
func anyAddress(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	ip := net.ParseIP(host)
	return err == nil && (host == "" || ip != nil && ip.IsUnspecified())
}

// domainForm is a host name of RFC 1123 §2.1.
var domainForm = regexp.MustCompile(`^(?i)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$`)

// checkDomain wants what may stand behind the @ of a handle, and in the ids of Matrix and
// XMPP that are made of one: no port, and no mark but the hyphen.
func checkDomain(bad complaint, key, domain string) {
	if _, err := msnp.ParseHandle("x@" + domain); err != nil || !domainForm.MatchString(domain) {
		bad(key, "%q is not a domain like example.org", domain)
	}
}

// presenceRules are the settings in the gateway's words; they have been checked.
func (c *Config) presenceRules() bridge.PresenceRules {
	unknown, _ := msnp.ParseStatus(c.Presence.Unknown)
	offline, _ := msnp.ParseStatus(c.Presence.Offline)
	return bridge.PresenceRules{Unknown: unknown, Offline: offline}
}
