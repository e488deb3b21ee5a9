package media

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"path"
	"strings"
	"time"
)

// originalQuery is what is added to a link to get a picture as it was sent.
const originalQuery = "original"

// serve answers one request.
func (s *Service) serve(w http.ResponseWriter, r *http.Request) {
	w = &pacedWriter{ResponseWriter: w, control: http.NewResponseController(w), patience: s.stallTimeout}
	err := s.answer(w, r)
	if err == nil {
		return
	}
	if r.Context().Err() != nil { // nobody is left to be told
		return
	}
	why := errInternal
	errors.As(err, &why)
	s.tell(r, why, err)
	if err := why.write(w, s.originalOf(r)); err != nil {
		s.log.Debug().Err(err).Msg("A client does not take the page that refuses its request")
	}
}

// tell logs a refusal, as loud as it concerns whoever runs the gateway. Neither
// the link nor the source is named.
func (s *Service) tell(r *http.Request, why *refusal, err error) {
	event := s.log.Debug()
	switch {
	case why == errInternal:
		event = s.log.Error()
	case why.status >= http.StatusInternalServerError:
		event = s.log.Info()
	}
	event.Err(err).Int("status", why.status).Str("client", r.RemoteAddr).Msg("A media link is refused")
}

// originalOf is the address of the same file as it was sent.
func (s *Service) originalOf(r *http.Request) string {
	return r.URL.EscapedPath() + "?" + originalQuery
}

// answer serves the file behind a link, or returns the refusal with its reason.
func (s *Service) answer(w http.ResponseWriter, r *http.Request) error {
	if s.cache == nil {
		return errNoLink
	}
	if !s.pacer.allow(r.RemoteAddr, s.now()) {
		return errTooOften
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return errMethod
	}
	record, err := s.record(r.Context(), r.URL.Path)
	if err != nil {
		return err
	}
	original := r.URL.Query().Has(originalQuery)
	f, err := s.file(r.Context(), record, original)
	if err != nil {
		return err
	}
	defer func() {
		if err := f.Close(); err != nil {
			s.log.Warn().Err(err).Msg("Cannot close a file of the media cache")
		}
	}()
	return s.send(w, r, record, f)
}

// record finds what a link leads to. The name behind the token is for people
// only.
func (s *Service) record(ctx context.Context, urlPath string) (Record, error) {
	rest, ok := strings.CutPrefix(urlPath, linkPrefix)
	if !ok {
		return Record{}, errNoLink
	}
	token, _, _ := strings.Cut(rest, "/")
	id, expires, err := s.signer.parse(token)
	if err != nil {
		return Record{}, err
	}
	now := s.now()
	if !now.Before(expires) {
		return Record{}, errExpired
	}
	record, ok, err := s.records.Media(ctx, id)
	switch {
	case err != nil:
		return Record{}, fmt.Errorf("look up media: %w", err)
	case !ok || record.ID != id:
		return Record{}, errNoLink
	case !now.Before(record.Expires):
		return Record{}, errExpired
	}
	return record, nil
}

// file returns the original of a record, or what is shown in its place.
func (s *Service) file(ctx context.Context, r Record, original bool) (*cachedFile, error) {
	if !original {
		if f, ok, err := s.cache.open(viewName(r)); err != nil || ok {
			return f, err
		}
	}
	f, err := s.original(ctx, r)
	if err != nil || original {
		return f, err
	}
	shown, err := s.survey(f)
	if err == nil && shown.asItIs {
		return f, nil
	}
	if closing := f.Close(); err == nil {
		err = closing
	}
	if err != nil {
		return nil, err
	}
	return s.view(ctx, r)
}

// send writes a file with the headers that old browsers need and new ones are
// to be held by.
func (s *Service) send(w http.ResponseWriter, r *http.Request, record Record, f *cachedFile) error {
	head := make([]byte, sniffSize)
	n, err := f.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read cached media: %w", err)
	}
	head = head[:n]
	mediaType, name, inline := presentation(sniff(head), head, record.Name)
	disposition := "attachment"
	if inline {
		disposition = "inline"
	}
	h := w.Header()
	h.Set("Content-Type", mediaType)
	h.Set("Content-Disposition", mime.FormatMediaType(disposition, map[string]string{"filename": name}))
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "private")
	h.Set("Expires", record.Expires.UTC().Format(http.TimeFormat))
	s.log.Debug().Str("type", mediaType).Int64("size", f.size).Str("kind", path.Ext(f.Name())).Msg("A media link is served")
	http.ServeContent(w, r, "", f.written, f)
	return nil
}

// pacedWriter ends the connection of a client that takes nothing for a while.
// net/http clears the deadline after the response.
type pacedWriter struct {
	http.ResponseWriter
	control  *http.ResponseController
	patience time.Duration
}

// Unwrap lets [http.ResponseController] find the writer below.
func (w *pacedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Write implements [io.Writer]. What comes at once is small: io.Copy's buffer
// or a page.
func (w *pacedWriter) Write(p []byte) (int, error) {
	if err := w.control.SetWriteDeadline(time.Now().Add(w.patience)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return 0, fmt.Errorf("set write deadline: %w", err)
	}
	return w.ResponseWriter.Write(p)
}
