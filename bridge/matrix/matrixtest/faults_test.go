package matrixtest

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestFaultsStrikeWhatTheyShall(t *testing.T) {
	var bodies []string
	behind := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		bodies = append(bodies, string(body))
	}))
	defer behind.Close()
	p, err := NewProxy(behind.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	try := func() (status int, answer string) {
		resp, err := client.Post(p.URL, "text/plain", strings.NewReader("x"))
		if err != nil {
			return 0, ""
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Error(err)
		}
		return resp.StatusCode, string(body)
	}
	for name, c := range map[string]struct {
		fault           Fault
		first, second   int
		passed, strikes int
	}{
		"none of its business": {Fault{Status: 502, Match: func(r *http.Request) bool { return r.Method == "GET" }}, 200, 200, 2, 0},
		"once":                 {Fault{Status: 502, Times: 1}, 502, 200, 1, 1},
		"every second":         {Fault{Cut: true, Every: 2}, 0, 200, 1, 1},
		"rate limit":           {Fault{Status: 429, RetryAfter: 1500 * time.Millisecond}, 429, 429, 0, 2},
		"lost answers":         {Fault{Lost: true}, 0, 0, 2, 2},
		"replayed and lost":    {Fault{Lost: true, Replay: 1}, 0, 0, 4, 2},
		"replayed":             {Fault{Replay: 2, Times: 1}, 200, 200, 4, 1},
		"slow":                 {Fault{Delay: time.Millisecond}, 200, 200, 2, 2},
	} {
		bodies = nil
		remove := p.Inject(c.fault)
		first, answer := try()
		second, _ := try()
		if first != c.first || second != c.second || strings.Join(bodies, "") != strings.Repeat("x", c.passed) {
			t.Errorf("%s: %d, %d, passed on %q", name, first, second, bodies)
		}
		if struck := remove(); struck != c.strikes {
			t.Errorf("%s: struck %d times", name, struck)
		}
		if first == 429 && !strings.Contains(answer, `"retry_after_ms":1500`) {
			t.Errorf("%s: %s", name, answer)
		}
	}
	if status, _ := try(); status != 200 {
		t.Errorf("without a fault: %d", status)
	}
}
