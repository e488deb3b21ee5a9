package media

import (
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// stored lists what the cache has on disk.
func (h *house) stored(t testing.TB) (names []string, size int64) {
	t.Helper()
	err := fs.WalkDir(h.cache.root.FS(), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		names, size = append(names, path), size+info.Size()
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return names, size
}

// settle waits until the cache has a file and nobody reads any: a client has
// the last byte a little before the file is closed.
func (h *house) settle(t testing.TB) {
	t.Helper()
	for {
		h.cache.mu.Lock()
		done := len(h.cache.files) > 0
		for _, e := range h.cache.files {
			done = done && e.readers == 0
		}
		h.cache.mu.Unlock()
		if done {
			return
		}
		select {
		case <-t.Context().Done():
			t.Fatal("a file is still in use")
		case <-time.After(time.Millisecond):
		}
	}
}

func TestCacheIsBounded(t *testing.T) {
	const each = 100 << 10
	h := newHouse(t, func(o *Options) { o.MaxBytes, o.CacheBytes = each, 3*each+each/2 })
	asked := make(map[string]int)
	origin := source(t, func(w http.ResponseWriter, r *http.Request) {
		asked[r.URL.Path]++
		if _, err := w.Write(make([]byte, each)); err != nil {
			t.Error(err)
		}
	})
	links := make(map[string]string)
	fetch := func(name string) {
		t.Helper()
		if links[name] == "" {
			links[name] = h.link(t, origin+"/"+name, name)
		}
		if a := get(t, "GET", links[name]); len(a.body) != each {
			t.Fatalf("%s: %d", name, a.StatusCode)
		}
		h.settle(t)
		if _, size := h.stored(t); size > 3*each+each/2 || size != h.cache.used {
			t.Fatalf("%d bytes on disk, %d counted", size, h.cache.used)
		}
	}
	for _, name := range []string{"a", "b", "c", "a", "d", "a", "b"} {
		fetch(name) // d takes the place of b, then b that of c
	}
	if fmt.Sprint(asked) != "map[/a:1 /b:2 /c:1 /d:1]" {
		t.Errorf("fetched %v", asked)
	}
}

func TestFilesInUseAreNotEvicted(t *testing.T) {
	h := newHouse(t, func(o *Options) { o.MaxBytes, o.CacheBytes = 1000, 1500 })
	first := h.link(t, file(t, noise(t, 1000)), "x")
	get(t, "GET", first)
	h.settle(t)
	var name string
	for name = range h.cache.files {
	}
	f, ok, err := h.cache.open(name)
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	second := h.link(t, file(t, noise(t, 1000)), "y")
	get(t, "GET", second).refused(t, http.StatusServiceUnavailable, "too many files")
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	if a := get(t, "GET", second); len(a.body) != 1000 {
		t.Errorf("status %d", a.StatusCode)
	}
	if names, _ := h.stored(t); len(names) != 1 || names[0] == name {
		t.Errorf("cached: %v", names)
	}
}

func TestCacheOutlivesRestarts(t *testing.T) {
	dir := t.TempDir()
	o := func(o *Options) { o.CacheDir = dir }
	h := newHouse(t, o)
	asked := 0
	content := noise(t, 1000)
	origin := source(t, func(w http.ResponseWriter, _ *http.Request) {
		asked++
		if _, err := w.Write(content); err != nil {
			t.Error(err)
		}
	})
	get(t, "GET", h.link(t, origin, "x"))
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(filepath.Join(dir, cacheFolder)); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("folder: %v, %v", info, err)
	}
	for _, stranger := range []string{"papillon-media/x", "papillon-media/y/z", "papillon-media/0123.original.part", "mine"} {
		path := filepath.Join(dir, stranger)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	again := newHouse(t, o)
	if a := get(t, "GET", again.link(t, origin, "x")); len(a.body) != 1000 || asked != 1 {
		t.Errorf("status %d, fetched %d times", a.StatusCode, asked)
	}
	if names, size := again.stored(t); len(names) != 1 || size != again.cache.used {
		t.Errorf("cached: %v, %d counted", names, again.cache.used)
	}
	if _, err := os.Stat(filepath.Join(dir, "mine")); err != nil {
		t.Errorf("a file beside the cache: %v", err)
	}
}

func TestCacheTidiedByHand(t *testing.T) {
	h := newHouse(t, nil)
	link := h.link(t, file(t, noise(t, 1000)), "x")
	get(t, "GET", link)
	names, _ := h.stored(t)
	for _, name := range names {
		if err := h.cache.root.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
	if a := get(t, "GET", link); len(a.body) != 1000 || h.cache.used != 1000 {
		t.Errorf("status %d, %d bytes counted", a.StatusCode, h.cache.used)
	}
}
