package media

import (
	"context"
	"errors"
	"fmt"
	"time"

	"papillon/bridge"
)

const (
	// probeTimeout bounds the question about type and size of a source.
	probeTimeout = 3 * time.Second
	// maxSource is how many bytes [Offer.Source] may have. An encrypted
	// Matrix file with its keys takes less than one KiB.
	maxSource = 16 << 10
)

// Offer is one attachment that somebody sent to a user.
type Offer struct {
	// Account is the user it was sent to; Network is how it came: "xmpp",
	// "matrix".
	Account bridge.Handle
	Network string
	// Key is the stable id of the message and of the attachment in it. The
	// same account, network and key give the same link again.
	Key string
	// Source is what the network's [Fetcher] needs to get the bytes: an
	// http(s) URL, or an mxc URI with what decrypts it. At most 16 KiB.
	Source string
	// Name is the file name as the sender gave it: empty or hostile perhaps.
	Name string
	// Type is the media type as the sender says: empty or wrong perhaps. It
	// words the line; what is served is told by the content alone.
	Type string
	// Size is in bytes, 0 if unknown; as the sender says, too.
	Size int64
	// Voice is set for what was spoken for this message.
	Voice bool
}

// Record is a stored offer. ID is hexadecimal, derived from the secret, account,
// network and key.
type Record struct {
	ID string
	Offer
	// Created and Expires are whole seconds.
	Created, Expires time.Time
}

// Records stores the offers behind the links. All methods are safe from any
// goroutine. The store removes by itself what has expired.
type Records interface {
	// AddMedia stores a record. If its ID is stored already that is no error:
	// the later expiry counts then, and the rest may stay as it was.
	AddMedia(ctx context.Context, r Record) error
	// Media returns a record; ok is false for an unknown id.
	Media(ctx context.Context, id string) (r Record, ok bool, err error)
}

// errIncomplete says that an offer lacks what its link is made of.
var errIncomplete = errors.New("offer media: account, network, key and source are needed")

// Offer stores the record of an attachment and returns what its line says. The
// same offer made again gives the same link as long as more than half of its
// time is left. It may ask the source for type and size where they are unknown,
// which takes three seconds at most; no answer is no error. It must not be
// called by a goroutine that owns a user. Without [Options.BaseURL] nothing is
// stored, and the link has no URL.
func (s *Service) Offer(ctx context.Context, o Offer) (Link, error) {
	if o.Account == "" || o.Network == "" || o.Key == "" || o.Source == "" {
		return Link{}, errIncomplete
	}
	if len(o.Source) > maxSource {
		return Link{}, fmt.Errorf("offer media: source has %d bytes, more than %d", len(o.Source), maxSource)
	}
	o.Name, o.Type, o.Size = shownName(o.Name), plainType(o.Type), max(o.Size, 0)
	if s.baseURL == "" {
		return o.link(""), nil
	}
	now := s.now().Truncate(time.Second)
	r := Record{ID: s.signer.id(o), Offer: o, Created: now, Expires: now.Add(s.expiry).Truncate(time.Second)}
	known, ok, err := s.records.Media(ctx, r.ID)
	if err != nil {
		return Link{}, fmt.Errorf("look up media: %w", err)
	}
	if ok && known.Expires.Sub(now) > s.expiry/2 {
		r = known
	} else {
		s.probe(ctx, &r.Offer)
		if err := s.records.AddMedia(ctx, r); err != nil {
			return Link{}, fmt.Errorf("store media: %w", err)
		}
	}
	return r.link(s.baseURL + linkPrefix + s.signer.token(r.ID, r.Expires) + "/" + pathName(r.Offer)), nil
}

// link is what the line about an offer says.
func (o Offer) link(url string) Link {
	return Link{URL: url, Name: o.Name, Type: o.Type, Size: o.Size}
}

// Prober is a [Fetcher] that can ask about a source without fetching it.
type Prober interface {
	// Probe returns the media type, empty if unknown, and the size in bytes,
	// 0 if unknown. It ends when the context does.
	Probe(ctx context.Context, o Offer) (mediaType string, size int64, err error)
}

// probe completes type and size of an offer as far as its source tells.
func (s *Service) probe(ctx context.Context, o *Offer) {
	prober, ok := s.fetcher(o.Network).(Prober)
	if !ok || o.Type != "" && o.Size > 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	mediaType, size, err := prober.Probe(ctx, *o)
	if err != nil {
		s.log.Debug().Err(err).Str("network", o.Network).Msg("A media source does not tell type and size")
		return
	}
	if o.Type == "" {
		o.Type = plainType(mediaType)
	}
	if o.Size == 0 {
		o.Size = max(size, 0)
	}
}
