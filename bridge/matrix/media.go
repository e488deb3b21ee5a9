package matrix

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/crypto/attachment"
	"maunium.net/go/mautrix/id"

	"papillon/bridge"
	"papillon/bridge/matrix/content"
)

// Elsewhere opens a file on another server than the homeserver, which may be
// anywhere: it has to refuse the addresses that nothing is to be fetched from.
// Size is -1 if unknown. The error must not contain the address.
type Elsewhere func(ctx context.Context, address string) (body io.ReadCloser, mediaType string, size int64, err error)

// Media opens a file that was sent to an account. Source is a [bridge.Media.Source]
// of this network's. The account's own homeserver is asked, as the account; where
// it refers to another server, elsewhere is. An encrypted file is decrypted while it
// is read: where its content is not the one that was sent, the last Read fails, so
// that nothing of it counts before the end. Size is -1 if unknown. The context is
// for the body, too, which the caller closes; there is no other limit of time or
// size. The error does not contain the source.
func (n *Network) Media(ctx context.Context, owner bridge.Handle, source string, elsewhere Elsewhere) (body io.ReadCloser, mediaType string, size int64, err error) {
	file, err := content.ParseSource(source)
	if err != nil {
		return nil, "", 0, err
	}
	a := n.accountOf(owner)
	if a == nil {
		return nil, "", 0, fmt.Errorf("fetch media for %s: the account is not open", owner)
	}
	response, err := a.download(ctx, file.URI)
	if err != nil {
		return nil, "", 0, fmt.Errorf("fetch media for %s: %w", owner, err)
	}
	body, mediaType, size = response.Body, response.Header.Get("Content-Type"), response.ContentLength
	if address, moved := movedTo(response); moved {
		if err := response.Body.Close(); err != nil {
			return nil, "", 0, fmt.Errorf("fetch media for %s: %w", owner, err)
		}
		if body, mediaType, size, err = elsewhere(ctx, address); err != nil {
			return nil, "", 0, fmt.Errorf("fetch media for %s: %w", owner, err)
		}
	}
	if file.File == nil {
		return body, mediaType, size, nil
	}
	// The type of what cannot be read says nothing.
	return &decrypting{body: body, plain: file.File.DecryptStream(body)}, "", size, nil
}

// accountOf returns the open account of an MSN user, nil if there is none.
func (n *Network) accountOf(owner bridge.Handle) *account {
	n.mu.RLock()
	defer n.mu.RUnlock()
	for _, a := range n.accounts {
		if a.owner == owner {
			return a
		}
	}
	return nil
}

// download asks for a file as the account (Client-Server API v1.11,
// "GET /_matrix/client/v1/media/download"), and as anybody where the homeserver is
// too old for that. The response is 200 or leads elsewhere.
func (a *account) download(ctx context.Context, uri id.ContentURI) (*http.Response, error) {
	response, err := a.get(ctx, mautrix.ClientURLPath{"v1", "media", "download", uri.Homeserver, uri.FileID})
	if errors.Is(err, errUnknownEndpoint) {
		return a.get(ctx, mautrix.MediaURLPath{"v3", "download", uri.Homeserver, uri.FileID})
	}
	return response, err
}

// errUnknownEndpoint says that a homeserver does not have what was asked for.
var errUnknownEndpoint = errors.New("the homeserver does not know the request")

// get makes a request whose response is read by the caller, unless it is an error.
// Nothing is followed elsewhere: the account's token is for its homeserver alone.
func (a *account) get(ctx context.Context, path mautrix.PrefixableURLPath) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, a.client.BuildURL(path), nil)
	if err != nil {
		return nil, errors.New("make the request: not an address")
	}
	request.Header.Set("Authorization", "Bearer "+a.client.AccessToken)
	request.Header.Set("User-Agent", a.client.UserAgent)
	stay := http.Client{
		Transport:     a.client.Client.Transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	response, err := stay.Do(request)
	if err != nil {
		return nil, fmt.Errorf("ask the homeserver: %w", withoutAddress(err))
	}
	if _, moved := movedTo(response); moved || response.StatusCode == http.StatusOK {
		return response, nil
	}
	return nil, errors.Join(refusalOf(response), response.Body.Close())
}

// withoutAddress takes the address out of an error.
func withoutAddress(err error) error {
	var inner *url.Error
	for errors.As(err, &inner) {
		err = inner.Err
	}
	return err
}

// movedTo returns where a response leads.
func movedTo(response *http.Response) (address string, moved bool) {
	switch response.StatusCode {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
	default:
		return "", false
	}
	location, err := response.Location()
	if err != nil {
		return "", false
	}
	return location.String(), true
}

// maxRefusal is how much is read of a refusal, in bytes.
const maxRefusal = 64 << 10

// refusalOf reads why a homeserver refused a request.
func refusalOf(response *http.Response) error {
	var refusal struct {
		Code string `json:"errcode"`
	}
	// Without a code the status has to do.
	_ = json.NewDecoder(io.LimitReader(response.Body, maxRefusal)).Decode(&refusal)
	err := fmt.Errorf("the homeserver answers %s %.60q", response.Status, refusal.Code)
	if refusal.Code == mautrix.MUnrecognized.ErrCode || response.StatusCode == http.StatusNotFound && refusal.Code != mautrix.MNotFound.ErrCode {
		return fmt.Errorf("%w: %w", errUnknownEndpoint, err)
	}
	return err
}

// decrypting reads an encrypted file. Its end is only reported when the content is
// the one that was sent.
type decrypting struct {
	body  io.Closer
	plain io.ReadCloser
	end   error // what the reading ended with
}

// Read implements [io.Reader].
func (d *decrypting) Read(p []byte) (int, error) {
	if d.end != nil {
		return 0, d.end
	}
	n, err := d.plain.Read(p)
	if d.end = err; !errors.Is(err, io.EOF) {
		return n, err
	}
	if err := d.plain.Close(); errors.Is(err, attachment.ErrHashMismatch) {
		d.end = fmt.Errorf("decrypt media: %w", err)
	}
	return n, d.end
}

// Close implements [io.Closer].
func (d *decrypting) Close() error { return d.body.Close() }
