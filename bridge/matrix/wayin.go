package matrix

import (
	"context"
	"fmt"
	"net/http"
	"net/url"

	"github.com/rs/zerolog"
	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/id"

	"papillon/bridge"
)

// wayIn is how the gateway comes to act as a person: all that differs between the
// kinds [KindOwn] and [KindLogin].
type wayIn interface {
	// refusal words what the user has to do about an error code with which the
	// homeserver turned the gateway away; empty if trying again may help.
	refusal(code string) string
	// device is what [nature] has by this name.
	device(ctx context.Context, a *account) (*mautrix.Client, error)
}

// asService acts as people by the gateway's second registration.
type asService struct{ user id.UserID }

// openOwn makes the account of a person of the gateway's own homeserver.
func openOwn(n *Network, login bridge.Login, events bridge.Receiver) (member, error) {
	if n.options.Puppets == nil {
		return nil, fmt.Errorf("there is no second registration: run \"papillon registration\" and have the homeserver load both")
	}
	user := id.UserID(login.ID)
	if err := n.checkOwn(user); err != nil {
		return nil, err
	}
	client := n.client(user)
	client.AccessToken = n.options.Puppets.AppToken
	recovery, err := recoveryOf(login.Credentials)
	if err != nil {
		return nil, err
	}
	return n.openPerson(login, client, asService{user}, recovery, events)
}

// checkOwn says whether somebody can be acted as by the second registration.
func (n *Network) checkOwn(user id.UserID) error {
	local, domain, err := user.ParseAndValidateRelaxed()
	switch {
	case err != nil || !validLocal(local):
		return fmt.Errorf("%q is no Matrix id like @alice:%s", user, n.ghosts.domain)
	case domain != n.ghosts.domain:
		return fmt.Errorf("%s is not at %s, the gateway's homeserver: link it with the kind login", user, n.ghosts.domain)
	case n.ghosts.owns(user):
		return fmt.Errorf("%s is in the gateway's own namespace: link it with the kind ghost", user)
	}
	return nil
}

// refusal implements [wayIn].
func (w asService) refusal(code string) string {
	switch code {
	case mautrix.MUnknownToken.ErrCode, mautrix.MMissingToken.ErrCode:
		return "the Matrix server does not know this gateway's second registration: the administrator has to have it loaded"
	case mautrix.MForbidden.ErrCode, mautrix.MExclusive.ErrCode:
		return fmt.Sprintf("the Matrix server has no such account, or does not let this gateway act as %s", w.user)
	}
	return ""
}

// asDevice acts as a person who has logged in.
type asDevice struct {
	again string // the command that has them log in again
}

// openLogin makes the account of a person who is logged in.
func openLogin(n *Network, login bridge.Login, events bridge.Receiver) (member, error) {
	credentials, err := parseCredentials(login.Credentials)
	if err != nil {
		return nil, fmt.Errorf("%w: link the account again with \"papillon link\"", err)
	}
	client, err := credentials.client(n.http)
	if err != nil {
		return nil, fmt.Errorf("%w: link the account again with \"papillon link\"", err)
	}
	if credentials.RefreshToken != "" {
		if n.options.Renew == nil {
			return nil, fmt.Errorf("there is no storage for renewed log-ins")
		}
		credentials.renewing(client, func(ctx context.Context, raw []byte) error {
			return n.options.Renew(ctx, login.Account, raw)
		})
	}
	again := fmt.Sprintf("papillon link %s matrix %s --kind login --server %s", login.Account, client.UserID, credentials.HomeserverURL)
	if credentials.RefreshToken == "" { // else in a browser, as before
		again += " --password-stdin"
	}
	return n.openPerson(login, client, asDevice{again}, credentials.RecoveryKey, events)
}

// refusal implements [wayIn].
func (w asDevice) refusal(code string) string {
	switch code {
	case mautrix.MUnknownToken.ErrCode, mautrix.MMissingToken.ErrCode:
		return "its log-in has ended. Have the administrator run: " + w.again
	case mautrix.MForbidden.ErrCode:
		return "its server turns the gateway away"
	}
	return ""
}

// newClient makes a client of a homeserver. The library's own log is left off: it
// has the bodies of requests that failed, and so the texts of messages, at level
// error.
func newClient(base *url.URL, http *http.Client) *mautrix.Client {
	return &mautrix.Client{
		HomeserverURL: base, UserAgent: "papillon", Log: zerolog.Nop(), Client: http, ResponseSizeLimit: maxResponse,
	}
}
