package media

import (
	"container/list"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"sync"
	"time"

	"github.com/rs/zerolog"
)

// cacheFolder is the folder within [Options.CacheDir] that the cache has for
// itself. What it does not know there it removes, so the name is unlikely to be
// anybody else's.
const cacheFolder = "papillon-media"

// cacheName is how finished files are called: a record's id and what it is, the
// original or the view. What is being written ends in draftSuffix.
var cacheName = regexp.MustCompile(`^[0-9a-f]{24}\.(original|view)$`)

const draftSuffix = ".part"

// cache keeps files on disk, never more than max bytes of them, those being
// written and those being read included. The least recently used go first.
type cache struct {
	root *os.Root
	max  int64
	log  zerolog.Logger

	mu    sync.Mutex
	used  int64 // bytes of finished files and of drafts
	files map[string]*cacheEntry
	order *list.List // of *cacheEntry, the last used in front
}

type cacheEntry struct {
	name    string
	size    int64
	readers int
	place   *list.Element
}

// openCache opens the folder within dir, making both, takes over the finished
// files of an earlier run and removes everything else from it.
func openCache(dir string, limit int64, log zerolog.Logger) (*cache, error) {
	folder := filepath.Join(dir, cacheFolder)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, fmt.Errorf("make media cache: %w", err)
	}
	root, err := os.OpenRoot(folder)
	if err != nil {
		return nil, fmt.Errorf("open media cache: %w", err)
	}
	c := &cache{root: root, max: limit, log: log, files: make(map[string]*cacheEntry), order: list.New()}
	if err := errors.Join(root.Chmod(".", 0o700), c.adopt()); err != nil {
		return nil, errors.Join(fmt.Errorf("open media cache: %w", err), root.Close())
	}
	return c, nil
}

// adopt reads the folder, oldest files first.
func (c *cache) adopt() error {
	entries, err := fs.ReadDir(c.root.FS(), ".")
	if err != nil {
		return err
	}
	var known []fs.FileInfo
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			return err
		}
		if cacheName.MatchString(e.Name()) && info.Mode().IsRegular() {
			known = append(known, info)
		} else if err := c.root.RemoveAll(e.Name()); err != nil {
			return err
		}
	}
	slices.SortFunc(known, func(a, b fs.FileInfo) int { return a.ModTime().Compare(b.ModTime()) })
	for _, info := range known {
		c.insert(info.Name(), info.Size())
		c.used += info.Size()
	}
	return c.makeRoom(0)
}

// insert puts a finished file in front of the order.
func (c *cache) insert(name string, size int64) {
	e := &cacheEntry{name: name, size: size}
	e.place = c.order.PushFront(e)
	c.files[name] = e
}

// makeRoom evicts until n more bytes fit: [errBusy] if all that is left is in
// use. It must be called with the lock held, or before anybody else knows c.
func (c *cache) makeRoom(n int64) error {
	for at := c.order.Back(); at != nil && c.used+n > c.max; {
		e := at.Value.(*cacheEntry)
		at = at.Prev()
		if e.readers > 0 {
			continue
		}
		if err := c.root.Remove(e.name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("evict from media cache: %w", err)
		}
		c.drop(e)
	}
	if c.used+n > c.max {
		return fmt.Errorf("media cache is full of files in use: %w", errBusy)
	}
	return nil
}

// drop forgets a file that is no longer there.
func (c *cache) drop(e *cacheEntry) {
	c.order.Remove(e.place)
	delete(c.files, e.name)
	c.used -= e.size
}

// cachedFile is a finished file, open for reading. It is not evicted until it is
// closed.
type cachedFile struct {
	*os.File
	size    int64
	written time.Time
	release func()
}

// Close closes the file and lets it be evicted. It is to be called once.
func (f *cachedFile) Close() error {
	f.release()
	return f.File.Close()
}

// open returns a file, and ok false if the cache has none of that name.
func (c *cache) open(name string) (f *cachedFile, ok bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.files[name]
	if !ok {
		return nil, false, nil
	}
	file, err := c.root.Open(name)
	if errors.Is(err, fs.ErrNotExist) && e.readers == 0 { // somebody tidied up by hand
		c.drop(e)
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("open cached media: %w", err)
	}
	info, err := file.Stat()
	if err != nil {
		return nil, false, errors.Join(fmt.Errorf("open cached media: %w", err), file.Close())
	}
	e.readers++
	c.order.MoveToFront(e.place)
	release := func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		e.readers--
	}
	return &cachedFile{File: file, size: info.Size(), written: info.ModTime(), release: release}, true, nil
}

// draft is a file that is being written. It must be ended with commit or
// discard; discard after commit does nothing.
type draft struct {
	c    *cache
	name string
	file *os.File // nil once ended
	size int64
}

// create begins a file. Only one draft of a name may exist at a time.
func (c *cache) create(name string) (*draft, error) {
	file, err := c.root.OpenFile(name+draftSuffix, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("create cached media: %w", err)
	}
	return &draft{c: c, name: name, file: file}, nil
}

// Write makes room and appends; [errBusy] if there is none to be made.
func (d *draft) Write(p []byte) (int, error) {
	d.c.mu.Lock()
	err := d.c.makeRoom(int64(len(p)))
	if err == nil {
		d.c.used += int64(len(p))
		d.size += int64(len(p))
	}
	d.c.mu.Unlock()
	if err != nil {
		return 0, err
	}
	n, err := d.file.Write(p)
	if err != nil {
		return n, fmt.Errorf("write cached media: %w", err)
	}
	return n, nil
}

// commit makes the draft a finished file in place of an earlier one.
func (d *draft) commit() error {
	if err := d.file.Close(); err != nil {
		return fmt.Errorf("write cached media: %w", err)
	}
	d.c.mu.Lock()
	defer d.c.mu.Unlock()
	if err := d.c.root.Rename(d.name+draftSuffix, d.name); err != nil {
		return fmt.Errorf("keep cached media: %w", err)
	}
	d.file = nil
	if old, ok := d.c.files[d.name]; ok {
		d.c.drop(old)
	}
	d.c.insert(d.name, d.size)
	return nil
}

// discard removes the draft unless it was committed.
func (d *draft) discard() {
	if d.file == nil {
		return
	}
	if err := d.file.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		d.c.log.Warn().Err(err).Msg("Cannot close a file of the media cache")
	}
	d.file = nil
	d.c.mu.Lock()
	defer d.c.mu.Unlock()
	if err := d.c.root.Remove(d.name + draftSuffix); err != nil {
		d.c.log.Warn().Err(err).Msg("Cannot remove a file of the media cache")
		return // its bytes stay counted: they are still there
	}
	d.c.used -= d.size
}

// close ends the use of the folder. The files stay for the next run.
func (c *cache) close() error { return c.root.Close() }
