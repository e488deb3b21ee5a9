package matrix

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.mau.fi/util/random"
	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/id"
	"maunium.net/go/mautrix/oauth"

	"papillon/bridge"
)

// programURI is what a homeserver shows people as the home of the program that
// wants to log in. It has to be a URL.
const programURI = "https://papillon.invalid/"

// slowDown is how much longer the pause gets when an authorization server asks for
// it (RFC 8628 §3.5).
const slowDown = 5 * time.Second

// LoginByBrowser logs in where the homeserver leaves that to an authorization server
// (Client-Server API, "OAuth 2.0 API"): show is called with a page to open anywhere
// and a code to enter there, and the log-in is made when the person has agreed (RFC
// 8628). It waits until then, or until the code or the context expires. For commands;
// the error is one line that says what to do. An empty URL is discovered.
func LoginByBrowser(ctx context.Context, homeserverURL string, person bridge.RemoteID, show func(page, code string)) (Credentials, error) {
	client, err := loginClient(ctx, homeserverURL, person)
	if err != nil {
		return Credentials{}, err
	}
	if _, err := client.OAuthGetServerMetadata(ctx); err != nil {
		if status, code := response(err); code == mautrix.MUnrecognized.ErrCode || status == 404 {
			return Credentials{}, errors.New("the server has no log-in by browser: give --password-stdin or --token-stdin")
		}
		return Credentials{}, explain(err)
	}
	registered, err := client.OAuthRegisterClient(ctx, &oauth.ClientMetadata{
		ApplicationType: oauth.ApplicationTypeNative, ClientName: deviceName, ClientURI: programURI,
		GrantTypes:              []oauth.GrantType{oauth.GrantTypeDeviceCode, oauth.GrantTypeRefreshToken},
		TokenEndpointAuthMethod: oauth.AuthMethodNone,
	})
	if err != nil {
		return Credentials{}, explain(err)
	}
	device := id.DeviceID(random.String(10))
	code, err := client.OAuthGenerateDeviceCode(ctx, oauth.GenerateDeviceCodeParams{
		ClientID: registered.ClientID, UserIDHint: id.UserID(person),
		Scopes: oauth.ScopeList{oauth.ScopeClientAPI, oauth.ScopeDevice(device)},
	})
	if err != nil {
		return Credentials{}, explain(err)
	}
	show(or(code.VerificationURIComplete, code.VerificationURI), code.UserCode)
	began := time.Now()
	tokens, err := awaitConsent(ctx, client, registered.ClientID, code)
	if err != nil {
		return Credentials{}, err
	}
	made := Credentials{
		HomeserverURL: client.HomeserverURL.String(), UserID: id.UserID(person), ClientID: registered.ClientID,
		AccessToken: tokens.AccessToken, RefreshToken: tokens.RefreshToken,
	}
	if tokens.RefreshToken != "" {
		made.Expires = began.Add(tokens.ExpiresIn.Duration)
	}
	whose, err := LoginByToken(ctx, made.HomeserverURL, person, made.AccessToken)
	if err != nil {
		return Credentials{}, made.refuse(err)
	}
	made.DeviceID = whose.DeviceID
	return made, nil
}

var errNobodyAgreed = errors.New("nobody agreed in time: run the command again")

// awaitConsent polls until the person has agreed.
func awaitConsent(ctx context.Context, client *mautrix.Client, clientID string, code *oauth.DeviceCodeResponse) (*oauth.TokenResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, code.ExpiresIn.Duration)
	defer cancel()
	pause := code.Interval.Duration
	if pause == 0 {
		pause = slowDown // the default of RFC 8628 §3.2
	}
	for wait(ctx, pause, nil) {
		tokens, err := client.OAuthPollDeviceCode(ctx, oauth.PollDeviceCodeParams{DeviceCode: code.DeviceCode, ClientID: clientID})
		_, answer := response(err)
		switch {
		case err == nil:
			return tokens, nil
		case answer == "authorization_pending", answer == "" && ctx.Err() == nil:
		case answer == "slow_down":
			pause += slowDown
		case answer == "access_denied":
			return nil, errors.New("the log-in was turned down in the browser")
		case answer == "expired_token" || ctx.Err() != nil:
			return nil, errNobodyAgreed
		default:
			return nil, explain(err)
		}
	}
	return nil, errNobodyAgreed
}

// renewing makes a client get new tokens when those it has expire, and has them
// stored: an authorization server takes back the old ones.
func (c Credentials) renewing(client *mautrix.Client, store func(ctx context.Context, credentials []byte) error) {
	client.OAuthSetTokens(c.ClientID, c.RefreshToken, c.AccessToken, c.Expires)
	client.SaveNewToken = func(ctx context.Context, refresh, access string, expires time.Time) error {
		renewed := c
		renewed.RefreshToken, renewed.AccessToken, renewed.Expires = refresh, access, expires
		raw, err := renewed.Marshal()
		if err != nil {
			return err
		}
		// Not even the end of the session may come between the two.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), farewellTime)
		defer cancel()
		if err := store(ctx, raw); err != nil {
			return fmt.Errorf("store the new log-in: %w", err)
		}
		return nil
	}
}
