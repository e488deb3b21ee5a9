package media

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"time"
)

const (
	// linkPrefix is where the links live.
	linkPrefix = "/m/"
	// A token is an id, when it expires (seconds since 1970) and a signature
	// over both. 96 bits keep ids from meeting; 80 bits cannot be guessed
	// through a rate limit.
	idSize, expirySize, signatureSize = 12, 4, 10
	tokenSize                         = idSize + expirySize + signatureSize
)

// tokenEncoding refuses the second spelling that base64 has for some values, so
// that a token is one text only.
var tokenEncoding = base64.RawURLEncoding.Strict()

// signer makes and checks tokens.
type signer struct{ idKey, linkKey []byte }

// newSigner derives the keys from the secret.
func newSigner(secret []byte) (s signer, err error) {
	if s.idKey, err = hkdf.Key(sha256.New, secret, nil, "papillon media id", sha256.Size); err != nil {
		return s, fmt.Errorf("derive media key: %w", err)
	}
	if s.linkKey, err = hkdf.Key(sha256.New, secret, nil, "papillon media link", sha256.Size); err != nil {
		return s, fmt.Errorf("derive media key: %w", err)
	}
	return s, nil
}

// id names an offer: the same for the same account, network and key, and for
// nothing else.
func (s signer) id(o Offer) string {
	mac := hmac.New(sha256.New, s.idKey)
	for _, part := range []string{string(o.Account), o.Network, o.Key} {
		mac.Write(binary.BigEndian.AppendUint32(nil, uint32(len(part))))
		mac.Write([]byte(part))
	}
	return hex.EncodeToString(mac.Sum(nil)[:idSize])
}

// token makes the text of a link. The id is one that s made, or the token is
// one that nobody accepts.
func (s signer) token(id string, expires time.Time) string {
	raw := make([]byte, idSize, tokenSize)
	if n, err := hex.Decode(raw, []byte(id)); err != nil || n != idSize {
		return ""
	}
	raw = binary.BigEndian.AppendUint32(raw, uint32(expires.Unix()))
	return tokenEncoding.EncodeToString(append(raw, s.signature(raw)...))
}

func (s signer) signature(signed []byte) []byte {
	mac := hmac.New(sha256.New, s.linkKey)
	mac.Write(signed)
	return mac.Sum(nil)[:signatureSize]
}

// parse reads a token: [errNoLink] if it is none, [errForged] if the signature
// is wrong. It does not look at the clock.
func (s signer) parse(token string) (id string, expires time.Time, err error) {
	if len(token) != tokenEncoding.EncodedLen(tokenSize) {
		return "", time.Time{}, errNoLink
	}
	raw, err := tokenEncoding.DecodeString(token)
	if err != nil || len(raw) != tokenSize { // line breaks are skipped, and make it short
		return "", time.Time{}, errNoLink
	}
	signed := raw[:idSize+expirySize]
	if !hmac.Equal(raw[len(signed):], s.signature(signed)) {
		return "", time.Time{}, errForged
	}
	seconds := binary.BigEndian.Uint32(signed[idSize:])
	return hex.EncodeToString(signed[:idSize]), time.Unix(int64(seconds), 0), nil
}
