package matrix

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"time"

	"go.mau.fi/util/random"
	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/appservice"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"
)

// Finding is what was looked at, and what is wrong with it.
type Finding struct {
	// What was looked at, with what there is to say of it.
	What string
	// Err says what is wrong and what to do about it, in one line; nil for nothing.
	Err error
}

// checkup is a look at the homeserver of the gateway.
type checkup struct {
	options Options
	base    *url.URL
}

// CheckHomeserver walks the way to the homeserver of the gateway and, if a gateway is
// running, back. For commands. It makes nothing, but shows the bot's presence for a
// moment.
func CheckHomeserver(ctx context.Context, o Options, running bool) []Finding {
	ctx = mautrix.WithMaxRetries(ctx, 0)
	what := "homeserver " + o.HomeserverURL
	base, err := mautrix.ParseAndNormalizeBaseURL(o.HomeserverURL)
	if err != nil || base.Host == "" {
		return []Finding{{what, errors.New("matrix.homeserver_url is no URL: it must be like http://127.0.0.1:8008")}}
	}
	c := &checkup{o, base}
	if err := c.answers(ctx); err != nil {
		return []Finding{{what, err}}
	}
	all := []Finding{{what, nil}}
	if o.Registration == nil {
		return all
	}
	if err := c.knows(ctx, o.Registration); err != nil {
		return append(all, Finding{"the homeserver knows the gateway", err})
	}
	all = append(all, Finding{"the homeserver knows the gateway", nil})
	if o.Puppets != nil {
		all = append(all, Finding{"the homeserver knows the second registration, for people's own accounts", c.knows(ctx, o.Puppets)})
	}
	return append(all, c.back(ctx, running), c.keys(ctx), c.presence(ctx))
}

// client acts as the bot of a registration; without one it has no token.
func (c *checkup) client(reg *appservice.Registration) *mautrix.Client {
	client := newClient(c.base, &http.Client{Timeout: loginClientTimeout})
	if reg != nil {
		client.AccessToken, client.UserID = reg.AppToken, id.NewUserID(reg.SenderLocalpart, c.options.Domain)
	}
	return client
}

// answers says whether a homeserver is there.
func (c *checkup) answers(ctx context.Context) error {
	versions, err := c.client(nil).Versions(ctx)
	switch {
	case err == nil && len(versions.Versions) > 0:
		return nil
	case err == nil, unmarshalled(err):
		return errors.New("what answers there is no Matrix homeserver: is matrix.homeserver_url right?")
	}
	return fmt.Errorf("%w: is matrix.homeserver_url right, and does the homeserver run?", explain(err))
}

// unmarshalled says whether an answer was well but for its form.
func unmarshalled(err error) bool {
	status, _ := response(err)
	return status/100 == 2
}

// knows says whether the homeserver has loaded a registration, and is the one it was
// made for.
func (c *checkup) knows(ctx context.Context, reg *appservice.Registration) error {
	who, err := c.client(reg).Whoami(ctx)
	command := "papillon registration"
	if reg.ID == PuppetRegistrationID {
		command += " --own"
	}
	switch {
	case tokenRefused(err):
		return fmt.Errorf("it has not loaded the registration, or an older one: copy the output of %q to where the homeserver reads it, and restart the homeserver", command)
	case err != nil:
		return explain(err)
	case who.UserID.Homeserver() != c.options.Domain:
		return fmt.Errorf("it is the homeserver of %[1]s: set matrix.homeserver_domain to %[1]s, run %[2]q and have the homeserver load the result", who.UserID.Homeserver(), command)
	}
	return nil
}

// back says whether the homeserver reaches the gateway.
func (c *checkup) back(ctx context.Context, running bool) Finding {
	reg := c.options.Registration
	what := "the homeserver reaches the gateway at " + reg.URL
	if !running {
		return Finding{"whether the homeserver reaches the gateway is seen while it runs", nil}
	}
	const again = "set matrix.listen, and matrix.appservice_url to where the homeserver finds it, run \"papillon registration\" and have the homeserver load the result"
	_, err := c.client(reg).AppservicePing(ctx, reg.ID, "")
	switch _, code := response(err); {
	case err == nil:
		return Finding{what, nil}
	case code == mautrix.MUnrecognized.ErrCode:
		return c.dial(ctx)
	case code == "M_CONNECTION_FAILED", code == "M_CONNECTION_TIMEOUT":
		return Finding{what, fmt.Errorf("it does not: %s", again)}
	case code == "M_BAD_STATUS":
		return Finding{what, errors.New("something else answers there, or the homeserver has another registration: " + again)}
	default:
		return Finding{what, explain(err)}
	}
}

// dial tries the gateway's URL from here: not every homeserver can be asked to.
func (c *checkup) dial(ctx context.Context) Finding {
	what := "the gateway answers at " + c.options.Registration.URL + ", tried from here"
	address, err := url.Parse(c.options.Registration.URL)
	if err != nil {
		return Finding{what, errors.New("matrix.appservice_url is no URL")}
	}
	port := address.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[address.Scheme]
	}
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", net.JoinHostPort(address.Hostname(), port))
	if err != nil {
		return Finding{what, fmt.Errorf("%s: is matrix.appservice_url the address of matrix.listen?", oneLine(err.Error()))}
	}
	_ = conn.Close() // nothing was said
	return Finding{what, nil}
}

// keys says whether accounts can have keys.
func (c *checkup) keys(ctx context.Context) Finding {
	const what = "the homeserver gives keys for encrypted rooms"
	flows, err := c.client(nil).GetLoginFlows(ctx)
	if err != nil {
		return Finding{what, explain(err)}
	}
	if !slices.ContainsFunc(flows.Flows, func(f mautrix.LoginFlow) bool { return f.Type == mautrix.AuthTypeAppservice }) {
		return Finding{what, errors.New("it does not let application services log in (m.login.application_service): encrypted rooms cannot be read but by those linked with a password")}
	}
	return Finding{what, nil}
}

// What was said of the bot is looked for so often, with such a pause.
const presenceLooks, presencePause = 10, 200 * time.Millisecond

// presence says whether the homeserver knows presence: what is said of the bot is there
// afterwards. Without it all goes on, by signs of life.
func (c *checkup) presence(ctx context.Context) Finding {
	const off = "the homeserver has presence switched off: people are shown by their signs of life (docs/matrix.md)"
	client := c.client(c.options.Registration)
	var seen *mautrix.RespPresence
	word := "papillon doctor " + random.String(8)
	err := client.SetPresence(ctx, mautrix.ReqPresence{Presence: event.PresenceUnavailable, StatusMsg: word})
	// What was said may be there a moment later only.
	for range presenceLooks {
		if err == nil {
			seen, err = client.GetOwnPresence(ctx)
		}
		if err != nil || seen.StatusMsg == word || !wait(ctx, presencePause, nil) {
			break
		}
	}
	if err == nil {
		err = client.SetPresence(ctx, mautrix.ReqPresence{Presence: event.PresenceOffline})
	}
	switch {
	case err != nil:
		return Finding{"the homeserver tells presence", explain(err)}
	case seen.StatusMsg != word:
		return Finding{off, nil}
	}
	return Finding{"the homeserver tells presence", nil}
}
