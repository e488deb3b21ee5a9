package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// claimSuffix ends the name of the file whose lock says that a server runs on
// the database beside it. The file stays when the server ends; the lock goes
// with the process, however that ends. SQLite's own file is not the one to lock:
// closing it once would drop all locks that SQLite has on it.
const claimSuffix = ".lock"

// Claim makes this process the one that serves the database until [Store.Close].
// Two servers would both deliver what waits, and each would miss what the other
// does; commands that only change the database need no claim, and work beside a
// server. Called once, by whoever serves. The error is [ErrClaimed] while another
// process serves, else the file cannot be made or locked. A system that is no
// Unix grants every claim.
func (s *Store) Claim() error {
	path, err := s.claimPath()
	if err != nil {
		return err
	}
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return explainFile(path, err)
	}
	free, err := tryLock(file)
	switch {
	case err != nil:
		_ = file.Close() // nothing was written
		return fmt.Errorf("lock %s: %w", path, err)
	case !free:
		_ = file.Close()
		return faultf(ErrClaimed, "another papillon serve runs on database %s: stop it, or set store.path", s.path)
	}
	s.claim = file
	return nil
}

// claimPath names the file to lock. The same database by another name has the same.
func (s *Store) claimPath() (string, error) {
	path, err := filepath.EvalSymlinks(s.path)
	if err != nil {
		return "", explainFile(s.path, err)
	}
	return path + claimSuffix, nil
}

// Served says whether a process has claimed the database; this one, too. For commands
// that want to know what runs: a server that starts in the same moment may be refused.
// On a system that is no Unix it always does.
func (s *Store) Served() (bool, error) {
	path, err := s.claimPath()
	if err != nil {
		return false, err
	}
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil // and none is made: it could be one that the server may not write
	}
	if err != nil {
		return false, fmt.Errorf("look at %s: %w", path, pathCause(err))
	}
	locked, err := isLocked(file)
	if err = errors.Join(err, file.Close()); err != nil {
		return false, fmt.Errorf("look at %s: %w", path, err)
	}
	return locked, nil
}

// release ends the claim, if there is one.
func (s *Store) release() error {
	if s.claim == nil {
		return nil
	}
	file := s.claim
	s.claim = nil
	if err := file.Close(); err != nil {
		return fmt.Errorf("give up database %s: %w", s.path, err)
	}
	return nil
}
