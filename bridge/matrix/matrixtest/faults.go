package matrixtest

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strconv"
	"sync"
	"time"
)

// Fault is what happens to a request on its way, in the order of the fields.
type Fault struct {
	// Match chooses the requests; nil means all.
	Match func(*http.Request) bool
	// Every has only each n-th of them struck, beginning with the first; 0 means all.
	Every int
	// Times is how many are struck before the fault is over; 0 means no end.
	Times int

	// Delay is how long the request is held back.
	Delay time.Duration
	// Status is answered without passing the request on; 0 passes it on. 429 has the
	// body of a Matrix rate limit.
	Status int
	// RetryAfter is what a 429 says, to the millisecond and without the header that
	// says it in seconds.
	RetryAfter time.Duration
	// Cut ends the connection without passing the request on.
	Cut bool
	// Replay passes the request on this many times more, with the answer of the last.
	Replay int
	// Lost ends the connection when the request has been passed on and answered.
	Lost bool
}

// Faults does to requests what a test asks for. The zero value lets everything
// through. All methods may be called from any goroutine.
type Faults struct {
	mu     sync.Mutex
	active []*active
}

// active is a fault and how often it was looked at.
type active struct {
	Fault
	seen, struck int
}

// Inject adds a fault; the first one that fits a request strikes. The function that
// it returns takes the fault away and says how many requests it struck.
func (f *Faults) Inject(fault Fault) (remove func() (struck int)) {
	a := &active{Fault: fault}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.active = append(f.active, a)
	return func() int {
		f.mu.Lock()
		defer f.mu.Unlock()
		for i := range f.active {
			if f.active[i] == a {
				f.active = append(f.active[:i:i], f.active[i+1:]...)
				break
			}
		}
		return a.struck
	}
}

// strike returns the fault for a request.
func (f *Faults) strike(r *http.Request) (Fault, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, a := range f.active {
		if a.Times > 0 && a.struck >= a.Times || a.Match != nil && !a.Match(r) {
			continue
		}
		a.seen++
		if (a.seen-1)%max(a.Every, 1) == 0 {
			a.struck++
			return a.Fault, true
		}
	}
	return Fault{}, false
}

// Wrap has the faults happen on the way to a handler.
func (f *Faults) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if fault, ok := f.strike(r); ok {
			fault.serve(next, w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// serve lets the fault happen to one request.
func (f Fault) serve(next http.Handler, w http.ResponseWriter, r *http.Request) {
	timer := time.NewTimer(f.Delay)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-r.Context().Done():
	}
	switch {
	case f.Cut:
		panic(http.ErrAbortHandler)
	case f.Status == http.StatusTooManyRequests:
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(f.Status)
		_, _ = io.WriteString(w, `{"errcode":"M_LIMIT_EXCEEDED","error":"Too many requests","retry_after_ms":`+
			strconv.FormatInt(f.RetryAfter.Milliseconds(), 10)+`}`)
		return
	case f.Status != 0:
		http.Error(w, "<html>"+http.StatusText(f.Status)+"</html>", f.Status)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	for again := f.Replay; again > 0 || f.Lost && again == 0; again-- {
		copied := r.Clone(r.Context())
		copied.Body = io.NopCloser(bytes.NewReader(body))
		next.ServeHTTP(httptest.NewRecorder(), copied)
	}
	if f.Lost {
		panic(http.ErrAbortHandler)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	next.ServeHTTP(w, r)
}

// Proxy stands before a homeserver, for whoever is to see the faults.
type Proxy struct {
	*Faults
	// URL takes the place of the homeserver's.
	URL string

	server *httptest.Server
}

// NewProxy starts a proxy before a server's base URL. Close must be called in the
// end.
func NewProxy(target string) (*Proxy, error) {
	to, err := url.Parse(target)
	if err != nil {
		return nil, fmt.Errorf("start a proxy: %w", err)
	}
	forward := httputil.NewSingleHostReverseProxy(to)
	forward.FlushInterval = -1
	forward.ErrorHandler = func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) }
	p := &Proxy{Faults: &Faults{}}
	p.server = httptest.NewServer(p.Wrap(forward))
	p.URL = p.server.URL
	return p, nil
}

// Cut ends all connections. Together with a [Fault] that cuts every request it is a
// network that is gone.
func (p *Proxy) Cut() { p.server.CloseClientConnections() }

// Close ends the proxy.
func (p *Proxy) Close() {
	p.server.CloseClientConnections()
	p.server.Close()
}
