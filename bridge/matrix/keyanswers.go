package matrix

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	"maunium.net/go/mautrix"
)

// keyAnswers is a transport that takes out of a homeserver's answers about people's keys
// those that are none. Homeservers keep what a device gives them without looking at it,
// and the Olm machine reads the answer about everybody in a room as a whole: with one
// such device in it, nobody could be written to any more.
type keyAnswers struct{ next http.RoundTripper }

// soundClient returns a client that makes its requests by another one's transport and
// reads the keys in their answers.
func soundClient(client *http.Client) *http.Client {
	sound := *client
	if sound.Transport == nil {
		sound.Transport = http.DefaultTransport
	}
	sound.Transport = keyAnswers{sound.Transport}
	return &sound
}

// RoundTrip implements [http.RoundTripper].
func (k keyAnswers) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := k.next.RoundTrip(r)
	if err != nil || resp.StatusCode != http.StatusOK {
		return resp, err
	}
	var sieve func([]byte) []byte
	switch {
	case strings.HasSuffix(r.URL.Path, "/keys/query"):
		sieve = soundQuery
	case strings.HasSuffix(r.URL.Path, "/keys/claim"):
		sieve = soundClaim
	default:
		return resp, nil
	}
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxResponse+1))
	if closeErr := resp.Body.Close(); err == nil {
		err = closeErr
	}
	if err == nil && len(raw) > maxResponse {
		err = fmt.Errorf("it is longer than %d bytes", maxResponse)
	}
	if err != nil {
		return nil, fmt.Errorf("read an answer about keys: %w", err)
	}
	raw = sieve(raw)
	resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(raw)), int64(len(raw))
	return resp, nil
}

// soundQuery reads the answer to /keys/query.
func soundQuery(raw []byte) []byte {
	if readableAs[mautrix.RespQueryKeys](raw) {
		return raw
	}
	return soundParts(raw, map[string]func(json.RawMessage) json.RawMessage{
		"device_keys":       within(2, readableAs[mautrix.DeviceKeys]),
		"master_keys":       within(1, readableAs[mautrix.CrossSigningKeys]),
		"self_signing_keys": within(1, readableAs[mautrix.CrossSigningKeys]),
		"user_signing_keys": within(1, readableAs[mautrix.CrossSigningKeys]),
	})
}

// soundClaim reads the answer to /keys/claim.
func soundClaim(raw []byte) []byte {
	if readableAs[mautrix.RespClaimKeys](raw) {
		return raw
	}
	return soundParts(raw, map[string]func(json.RawMessage) json.RawMessage{
		"one_time_keys": within(3, readableAs[mautrix.OneTimeKey]),
	})
}

// soundParts returns an answer with nothing in it but these parts, each without what is
// wrong in it. What is no answer at all stays as it is.
func soundParts(raw []byte, parts map[string]func(json.RawMessage) json.RawMessage) []byte {
	var answer map[string]json.RawMessage
	if json.Unmarshal(raw, &answer) != nil {
		return raw
	}
	sound := make(map[string]json.RawMessage)
	for name, sieve := range parts {
		if part := sieve(answer[name]); part != nil {
			sound[name] = part
		}
	}
	mended, err := json.Marshal(sound)
	if err != nil {
		return raw
	}
	return mended
}

// within returns what keeps, of a tree of objects that is so deep, those leaves that are
// right.
func within(depth int, right func([]byte) bool) func(json.RawMessage) json.RawMessage {
	return func(raw json.RawMessage) json.RawMessage {
		if depth == 0 {
			if right(raw) {
				return raw
			}
			return nil
		}
		var object map[string]json.RawMessage
		if json.Unmarshal(raw, &object) != nil {
			return nil
		}
		below := within(depth-1, right)
		sound := make(map[string]json.RawMessage, len(object))
		for name, value := range object {
			if value = below(value); value != nil {
				sound[name] = value
			}
		}
		mended, err := json.Marshal(sound)
		if err != nil {
			return nil
		}
		return mended
	}
}

func readableAs[T any](raw []byte) bool {
	var value T
	return json.Unmarshal(raw, &value) == nil
}
