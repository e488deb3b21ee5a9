package store

import (
	"errors"
	"strings"
	"syscall"
	"testing"

	"github.com/mattn/go-sqlite3"
)

// TestFullDisk: nobody is told to change the rights of files when there is no room.
func TestFullDisk(t *testing.T) {
	for _, said := range []sqlite3.Error{
		{Code: sqlite3.ErrFull},
		{Code: sqlite3.ErrIoErr, SystemErrno: syscall.ENOSPC},
		{Code: sqlite3.ErrCantOpen, SystemErrno: syscall.EDQUOT},
	} {
		err := explainOpen("papillon.db", said)
		if !errors.Is(err, ErrUnusable) || !strings.Contains(err.Error(), "the disk is full: make room") {
			t.Errorf("%v is explained as %q", said, err)
		}
	}
	if err := explainOpen("papillon.db", sqlite3.Error{Code: sqlite3.ErrReadonly}); !strings.Contains(err.Error(), "write access") {
		t.Errorf("a file of somebody else's is explained as %q", err)
	}
}
