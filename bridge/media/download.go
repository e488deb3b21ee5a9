package media

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// slotWait is how long a request waits for one of the fetches allowed at once.
const slotWait = 10 * time.Second

// cached returns a file of the cache, making it if it is not there. However many
// ask at once, it is made once; whoever goes away meanwhile does not end that.
func (s *Service) cached(ctx context.Context, name string, make func(context.Context) error) (*cachedFile, error) {
	for range 3 { // it may be evicted between being made and being opened
		if f, ok, err := s.cache.open(name); err != nil || ok {
			return f, err
		}
		made := s.flights.DoChan(name, func() (any, error) {
			if !s.begin() {
				return nil, errBusy
			}
			defer s.running.Done()
			return nil, make(s.base)
		})
		select {
		case result := <-made:
			if result.Err != nil {
				return nil, result.Err
			}
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for media: %w", context.Cause(ctx))
		}
	}
	return nil, fmt.Errorf("media cache is too small: %w", errBusy)
}

// original returns a record's file as it was sent, fetching it if need be.
func (s *Service) original(ctx context.Context, r Record) (*cachedFile, error) {
	name := r.ID + ".original"
	return s.cached(ctx, name, func(ctx context.Context) error {
		return s.download(ctx, r.Offer, name)
	})
}

// download fetches a source into the cache, within the limits of time and size.
func (s *Service) download(ctx context.Context, o Offer, name string) error {
	wait, cancel := context.WithTimeout(ctx, slotWait)
	defer cancel()
	if err := s.fetches.Acquire(wait, 1); err != nil {
		return fmt.Errorf("wait for a fetch to end: %w", errBusy)
	}
	defer s.fetches.Release(1)

	ctx, stop := context.WithTimeoutCause(ctx, s.fetchTimeout, errSlow)
	defer stop()
	ctx, abort := context.WithCancelCause(ctx)
	defer abort(nil)
	stalled := time.AfterFunc(s.stallTimeout, func() { abort(errSlow) })
	defer stalled.Stop()

	err := s.fetchInto(ctx, o, name, func() { stalled.Reset(s.stallTimeout) })
	if cause := context.Cause(ctx); err != nil && errors.Is(cause, errSlow) {
		return fmt.Errorf("fetch media: %w", cause)
	}
	return err
}

// fetchInto is the fetch itself; progress is called whenever something came.
func (s *Service) fetchInto(ctx context.Context, o Offer, name string, progress func()) (err error) {
	body, _, size, err := s.fetcher(o.Network).Fetch(ctx, o)
	if err != nil {
		return fmt.Errorf("fetch media: %w: %w", errSource, err)
	}
	defer func() {
		if closing := body.Close(); closing != nil && err == nil {
			s.log.Debug().Err(withoutURL(closing)).Msg("A media source ends badly")
		}
	}()
	if size > s.maxBytes {
		return fmt.Errorf("fetch media: %d bytes: %w", size, errTooLarge)
	}
	d, err := s.cache.create(name)
	if err != nil {
		return err
	}
	defer d.discard()
	source := &sourceReader{r: io.LimitReader(body, s.maxBytes+1), progress: progress}
	n, err := io.Copy(d, source)
	switch {
	case source.err != nil:
		return fmt.Errorf("fetch media: %w: %w", errSource, withoutURL(source.err))
	case err != nil:
		return err
	case n > s.maxBytes:
		return fmt.Errorf("fetch media: more than %d bytes: %w", s.maxBytes, errTooLarge)
	case size >= 0 && n != size:
		return fmt.Errorf("fetch media: %d bytes of %d: %w", n, size, errSource)
	}
	return d.commit()
}

// sourceReader tells of progress, and keeps the source's errors apart from
// those of the disk.
type sourceReader struct {
	r        io.Reader
	progress func()
	err      error
}

func (r *sourceReader) Read(p []byte) (int, error) {
	n, err := r.r.Read(p)
	if n > 0 {
		r.progress()
	}
	if err != nil && !errors.Is(err, io.EOF) {
		r.err = err
	}
	return n, err
}
