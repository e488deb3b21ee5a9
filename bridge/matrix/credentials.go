package matrix

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/id"

	"papillon/bridge"
)

// Credentials are what an account of [KindLogin] is logged in with. They are stored
// sealed. Make them with [LoginByPassword], [LoginByToken] or [LoginByBrowser].
type Credentials struct {
	HomeserverURL string      `json:"homeserver_url,omitempty"`
	UserID        id.UserID   `json:"user_id,omitempty"`
	DeviceID      id.DeviceID `json:"device_id,omitempty"`
	AccessToken   string      `json:"access_token,omitempty"`
	// The rest is for a log-in that is renewed before it expires.
	ClientID     string    `json:"client_id,omitempty"`
	RefreshToken string    `json:"refresh_token,omitempty"`
	Expires      time.Time `json:"expires,omitzero"`
	// RecoveryKey (or passphrase) opens the person's encrypted past; may be empty.
	RecoveryKey string `json:"recovery_key,omitempty"`
}

// Marshal makes of them what [bridge.Login] carries.
func (c Credentials) Marshal() ([]byte, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	return json.Marshal(c)
}

func (c Credentials) check() error {
	if c.HomeserverURL == "" || c.UserID == "" || c.AccessToken == "" {
		return errors.New("the credentials are not whole")
	}
	return nil
}

// parseCredentials is the way back.
func parseCredentials(raw []byte) (c Credentials, err error) {
	if err := json.Unmarshal(raw, &c); err != nil {
		// The cause could quote a part of the token.
		return c, errors.New("the stored credentials cannot be read")
	}
	return c, c.check()
}

// client makes a client that is logged in.
func (c Credentials) client(http *http.Client) (*mautrix.Client, error) {
	base, err := mautrix.ParseAndNormalizeBaseURL(c.HomeserverURL)
	if err != nil || base.Host == "" {
		return nil, fmt.Errorf("%q is no URL of a homeserver", c.HomeserverURL)
	}
	client := newClient(base, http)
	client.UserID, client.DeviceID, client.AccessToken = c.UserID, c.DeviceID, c.AccessToken
	return client, nil
}

// deviceName is how a log-in is called in the person's list of sessions.
const deviceName = "Papillon (MSN Messenger)"

// loginClientTimeout bounds one request of a command.
const loginClientTimeout = 30 * time.Second

// ParsePerson reads the id of a person like "@alice:hs". For commands.
func ParsePerson(address string) (bridge.RemoteID, error) {
	user := id.UserID(address)
	local, _, err := user.ParseAndValidateRelaxed()
	if err != nil || !validLocal(local) {
		return "", fmt.Errorf("%q is no Matrix id like @alice:example.org", address)
	}
	return bridge.RemoteID(user), nil
}

// Discover finds the base URL of a person's homeserver by the .well-known file of
// its server name (Client-Server API, "Server Discovery"). For commands; the error
// is one line that says what to do.
func Discover(ctx context.Context, person bridge.RemoteID) (homeserverURL string, err error) {
	domain := id.UserID(person).Homeserver()
	known, err := mautrix.DiscoverClientAPIWithClient(ctx, &http.Client{Timeout: loginClientTimeout}, domain)
	if err != nil {
		return "", fmt.Errorf("the Matrix server of %s cannot be found (%s): give its address with --server https://…", person, oneLine(err.Error()))
	}
	if known == nil || known.Homeserver.BaseURL == "" {
		return "https://" + domain, nil
	}
	return known.Homeserver.BaseURL, nil
}

// LoginByPassword logs in at a homeserver, as a new session of the person's. For
// commands; the error is one line that says what to do. An empty URL is discovered.
func LoginByPassword(ctx context.Context, homeserverURL string, person bridge.RemoteID, password string) (Credentials, error) {
	client, err := loginClient(ctx, homeserverURL, person)
	if err != nil {
		return Credentials{}, err
	}
	resp, err := client.Login(ctx, &mautrix.ReqLogin{
		Type:       mautrix.AuthTypePassword,
		Identifier: mautrix.UserIdentifier{Type: mautrix.IdentifierTypeUser, User: string(person)},
		Password:   password, InitialDeviceDisplayName: deviceName,
	})
	_, code := response(err)
	switch {
	case err == nil:
	case code == mautrix.MForbidden.ErrCode:
		return Credentials{}, errors.New("the server does not accept the password")
	case code == "M_USER_DEACTIVATED":
		return Credentials{}, errors.New("the account was deactivated")
	case code == mautrix.MUnrecognized.ErrCode || code == mautrix.MUnknown.ErrCode:
		return Credentials{}, errors.New("the server has no log-in by password: make an access token and give it with --token-stdin")
	default:
		return Credentials{}, explain(err)
	}
	if resp.WellKnown != nil && resp.WellKnown.Homeserver.BaseURL != "" && homeserverURL == "" {
		if base, err := mautrix.ParseAndNormalizeBaseURL(resp.WellKnown.Homeserver.BaseURL); err == nil && base.Host != "" {
			client.HomeserverURL = base
		}
	}
	credentials := Credentials{
		HomeserverURL: client.HomeserverURL.String(), UserID: resp.UserID, DeviceID: resp.DeviceID, AccessToken: resp.AccessToken,
	}
	if resp.UserID != id.UserID(person) {
		return Credentials{}, credentials.refuse(fmt.Errorf("that is the password of %s", resp.UserID))
	}
	return credentials, nil
}

// refuse ends a session that was made just now and is of no use, so that it does not
// stay in the person's list; why is the reason.
func (c Credentials) refuse(why error) error {
	ctx, cancel := context.WithTimeout(context.Background(), farewellTime)
	defer cancel()
	raw, err := c.Marshal()
	if err == nil {
		err = Logout(ctx, raw)
	}
	if err != nil {
		return fmt.Errorf("%w, and the new session could not be ended (%v): end it with another client", why, err)
	}
	return why
}

// LoginByToken makes credentials of an access token, after trying it. For commands;
// the error is one line that says what to do. An empty URL is discovered.
func LoginByToken(ctx context.Context, homeserverURL string, person bridge.RemoteID, token string) (Credentials, error) {
	client, err := loginClient(ctx, homeserverURL, person)
	if err != nil {
		return Credentials{}, err
	}
	client.AccessToken = token
	who, err := client.Whoami(ctx)
	switch {
	case tokenRefused(err):
		return Credentials{}, errors.New("the server does not know this access token")
	case err != nil:
		return Credentials{}, explain(err)
	case who.UserID != id.UserID(person):
		return Credentials{}, fmt.Errorf("that is an access token of %s", who.UserID)
	}
	return Credentials{
		HomeserverURL: client.HomeserverURL.String(), UserID: who.UserID, DeviceID: who.DeviceID, AccessToken: token,
	}, nil
}

// CheckStored tries what an identity of [KindLogin] or [KindOwn] is reached by. For
// commands; the error is one line that says what to do.
func CheckStored(ctx context.Context, o Options, identity bridge.IdentityRecord) error {
	if identity.Kind == KindOwn {
		return CheckOwn(ctx, o, identity.ID)
	}
	credentials, err := parseCredentials(identity.Credentials)
	if err != nil {
		return fmt.Errorf("%w: link the account again with \"papillon link\"", err)
	}
	if credentials.RefreshToken != "" {
		return nil // its access token may have expired, and trying the other would use it up
	}
	_, err = LoginByToken(ctx, credentials.HomeserverURL, identity.ID, credentials.AccessToken)
	var said *explained
	switch {
	case err == nil:
		return nil
	case errors.As(err, &said) && said.passing():
		return fmt.Errorf("%w: nothing has to be done if its server %s is back soon, messages wait until then", err, credentials.HomeserverURL)
	}
	return fmt.Errorf("%w: link the account again with \"papillon link\"", err)
}

// SameSession says whether two credentials are of one session of one person, whose
// end would be that of both. For commands.
func SameSession(a, b []byte) bool {
	x, errX := parseCredentials(a)
	y, errY := parseCredentials(b)
	return errX == nil && errY == nil && x.UserID == y.UserID && x.DeviceID == y.DeviceID && x.DeviceID != ""
}

// Logout ends the session that the credentials stand for. One that has ended
// already is no error. For commands.
func Logout(ctx context.Context, raw []byte) error {
	credentials, err := parseCredentials(raw)
	if err != nil {
		return err
	}
	client, err := credentials.client(&http.Client{Timeout: loginClientTimeout})
	if err != nil {
		return err
	}
	ctx = mautrix.WithMaxRetries(ctx, 0)
	if credentials.ClientID != "" {
		// A token that is not known any more is no error here (RFC 7009 §2.2).
		client.OAuthSetTokens(credentials.ClientID, credentials.RefreshToken, credentials.AccessToken, credentials.Expires)
		if err = client.OAuthRevokeToken(ctx); err != nil {
			return explain(err)
		}
		return nil
	}
	if _, err = client.Logout(ctx); err != nil && !tokenRefused(err) {
		return explain(err)
	}
	return nil
}

// MemoryDevice is the key under which [bridge.Memory] has the device that the gateway
// made for an account of [KindOwn], for [LogoutOwn].
const MemoryDevice = memoryDevice

// LogoutOwn ends the session that the gateway made for a person's own account, so that
// it does not stay in the person's list. For commands.
func LogoutOwn(ctx context.Context, o Options, person bridge.RemoteID, device string) error {
	if device == "" || o.Puppets == nil {
		return nil
	}
	client, err := loginClient(ctx, o.HomeserverURL, person)
	if err != nil {
		return err
	}
	ctx = mautrix.WithMaxRetries(ctx, 0)
	client.AccessToken = o.Puppets.AppToken
	// Only the session itself may end itself without the person's password; to log
	// in as it again is the way to its token.
	resp, err := client.Login(ctx, &mautrix.ReqLogin{
		Type: mautrix.AuthTypeAppservice, Identifier: mautrix.UserIdentifier{Type: mautrix.IdentifierTypeUser, User: string(person)},
		DeviceID: id.DeviceID(device),
	})
	if err != nil {
		return explain(err)
	}
	client.UserID, client.AccessToken = resp.UserID, resp.AccessToken
	if _, err := client.Logout(ctx); err != nil {
		return explain(err)
	}
	return nil
}

// loginClient makes a client for a command.
func loginClient(ctx context.Context, homeserverURL string, person bridge.RemoteID) (*mautrix.Client, error) {
	if homeserverURL == "" {
		var err error
		if homeserverURL, err = Discover(ctx, person); err != nil {
			return nil, err
		}
	}
	base, err := mautrix.ParseAndNormalizeBaseURL(homeserverURL)
	if err != nil || base.Host == "" {
		return nil, fmt.Errorf("%q is no URL of a homeserver: it must be like https://matrix.example.org", homeserverURL)
	}
	return newClient(base, &http.Client{Timeout: loginClientTimeout}), nil
}

// explained is an error of a homeserver in one line.
type explained struct {
	line  string
	cause error
}

func (e *explained) Error() string { return e.line }

// passing says whether it may be over by itself.
func (e *explained) passing() bool {
	status, _ := response(e.cause)
	return unreachable(e.cause) || status >= http.StatusInternalServerError || status == http.StatusTooManyRequests
}

// explain puts an error of a homeserver into one line.
func explain(err error) error {
	var urlErr *url.Error
	line := err.Error()
	switch status, code := response(err); {
	case code != "":
		line = "the server answers " + code
	case status != 0 && unreachable(err):
		line = fmt.Sprintf("a proxy answers %d in the server's place", status)
	case status != 0:
		line = fmt.Sprintf("the server answers %d: is its address right?", status)
	case errors.As(err, &urlErr):
		line = "the server cannot be reached: " + urlErr.Err.Error()
	}
	return &explained{oneLine(line), err}
}

// ghosts returns the namespace of the ghosts, for commands.
func (o Options) ghosts() ghosts {
	g := ghosts{prefix: or(o.GhostPrefix, DefaultGhostPrefix), domain: o.Domain, home: o.AccountDomain}
	if o.Registration != nil {
		g.bot = id.NewUserID(o.Registration.SenderLocalpart, o.Domain)
	}
	return g
}

// CheckGhost says whether an id can be a ghost's. For commands.
func CheckGhost(o Options, ghost bridge.RemoteID) error { return o.ghosts().check(id.UserID(ghost)) }

// GhostOf is who an account is on Matrix unless it is linked to another. For commands.
func GhostOf(o Options, account bridge.Handle) (bridge.RemoteID, error) {
	ghost, err := o.ghosts().idOf(account)
	return bridge.RemoteID(ghost), err
}

// CheckOwn says whether the gateway can act as a person of its homeserver by the
// second registration. For commands; the error is one line that says what to do.
func CheckOwn(ctx context.Context, o Options, person bridge.RemoteID) error {
	n := &Network{options: o, ghosts: o.ghosts()}
	user := id.UserID(person)
	if err := n.checkOwn(user); err != nil {
		return err
	}
	if o.Puppets == nil {
		return errors.New("there is no second registration: run \"papillon init\" in another folder and copy it from there")
	}
	base, err := mautrix.ParseAndNormalizeBaseURL(o.HomeserverURL)
	if err != nil || base.Host == "" {
		return fmt.Errorf("the homeserver's URL %q is not one: it must be like http://127.0.0.1:8008", o.HomeserverURL)
	}
	client := newClient(base, &http.Client{Timeout: loginClientTimeout})
	client.UserID, client.SetAppServiceUserID, client.AccessToken = user, true, o.Puppets.AppToken
	_, err = client.JoinedRooms(mautrix.WithMaxRetries(ctx, 0))
	_, code := response(err)
	switch {
	case err == nil:
		return nil
	case asService{user}.refusal(code) != "":
		return errors.New(asService{user}.refusal(code))
	}
	return explain(err)
}
