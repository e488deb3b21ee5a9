package matrix

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"go.mau.fi/util/retryafter"
	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/id"

	"papillon/bridge"
)

// maxResponse bounds what is read of a response, in bytes.
const maxResponse = 64 << 20

// client makes a client that acts as the user, or as the bot when the user is
// empty. Without a homeserver of the gateway's own it is of no use, and is not used.
func (n *Network) client(user id.UserID) *mautrix.Client {
	client := newClient(n.base, n.http)
	client.UserID, client.SetAppServiceUserID = user, user != ""
	client.StateStore = n.state
	if n.options.Registration != nil {
		client.AccessToken = n.options.Registration.AppToken
	}
	return client
}

// call makes one request, once and bounded in time, and tells the watch over
// the homeserver when the failure looks like the homeserver's.
func (n *Network) call(ctx context.Context, f func(ctx context.Context) error) error {
	return n.callFor(ctx, n.options.CallTimeout, f)
}

// callFor is call with a time limit of its own.
func (n *Network) callFor(ctx context.Context, limit time.Duration, f func(ctx context.Context) error) error {
	bounded, cancel := context.WithTimeout(mautrix.WithMaxRetries(ctx, 0), limit)
	defer cancel()
	err := f(bounded)
	// A request that the caller gave up says nothing about the homeserver.
	if err != nil && ctx.Err() == nil && (unreachable(err) || tokenRefused(err)) {
		n.reach.suspect()
	}
	return err
}

// response returns the status of the homeserver's answer and its error code,
// both zero when there was no answer.
func response(err error) (status int, code string) {
	var httpErr mautrix.HTTPError
	if !errors.As(err, &httpErr) || httpErr.Response == nil {
		return 0, ""
	}
	if httpErr.RespError != nil {
		code = httpErr.RespError.ErrCode
	}
	return httpErr.Response.StatusCode, code
}

// unreachable says whether an error means that there was no homeserver to
// answer: none at all, or a proxy without one behind it.
func unreachable(err error) bool {
	switch status, _ := response(err); status {
	case 0, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// tokenRefused says whether the homeserver does not know the gateway's token.
func tokenRefused(err error) bool {
	status, code := response(err)
	return code == mautrix.MUnknownToken.ErrCode && (status == http.StatusUnauthorized || status == http.StatusForbidden) ||
		status == http.StatusUnauthorized && code == mautrix.MMissingToken.ErrCode
}

// notThere says whether the homeserver itself said that something does not
// exist. A 404 without an error code comes from a proxy that knows no route; with
// M_UNKNOWN it is what Synapse says of the profile of nobody.
func notThere(err error) bool {
	status, code := response(err)
	return status == http.StatusNotFound && (code == mautrix.MNotFound.ErrCode || code == mautrix.MUnknown.ErrCode)
}

// forbidden says whether the homeserver does not let us.
func forbidden(err error) bool {
	_, code := response(err)
	return code == mautrix.MForbidden.ErrCode
}

// passing are the error codes below 500 that may be different later.
var passing = map[string]bool{
	mautrix.MLimitExceeded.ErrCode: true,
	mautrix.MUnknownToken.ErrCode:  true,
	mautrix.MMissingToken.ErrCode:  true,
	"M_RESOURCE_LIMIT_EXCEEDED":    true,
	"M_USER_LIMIT_EXCEEDED":        true,
}

// final says whether the homeserver has understood a request and will never do
// it. What is not the homeserver's own word (no error code) is not final, but
// for a body that is too large, which proxies refuse as well.
func final(err error) bool {
	status, code := response(err)
	if status == http.StatusRequestEntityTooLarge {
		return true
	}
	return status >= 400 && status < 500 && status != http.StatusTooManyRequests && code != "" && !passing[code]
}

// refused marks an error as final for the gateway.
func refused(err error) error { return fmt.Errorf("%w: %w", bridge.ErrRefused, err) }

// retryAfter returns how long to wait before the next try: what the homeserver
// asks for when it limits the rate, in the header or, as it used to be done, in
// the body only; else the fallback.
func retryAfter(err error, fallback time.Duration) time.Duration {
	var httpErr mautrix.HTTPError
	if !errors.As(err, &httpErr) || httpErr.Response == nil || httpErr.Response.StatusCode != http.StatusTooManyRequests {
		return fallback
	}
	wait := fallback
	if header := httpErr.Response.Header.Get("Retry-After"); header != "" {
		wait = retryafter.Parse(header, fallback)
	} else if httpErr.RespError != nil {
		ms, _ := httpErr.RespError.ExtraData["retry_after_ms"].(float64) // 0 if there is none
		wait = time.Duration(min(ms, float64(maxBackoff.Milliseconds()))) * time.Millisecond
	}
	return min(max(wait, fallback), maxBackoff)
}
