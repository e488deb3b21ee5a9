package store

import (
	"bytes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/rs/zerolog"
	"golang.org/x/crypto/chacha20poly1305"
)

// keyComment heads a key file.
const keyComment = `# The sealing key of Papillon. It opens the passwords and network credentials in
# the database; without it they are lost. Keep it secret, and keep a backup of it
# apart from the backups of the database.
`

// NewKey writes a fresh sealing key to a new file that only its owner can read
// (mode 0600). It is a text file: comment lines and one line with 32 random
// bytes in Base64. A file that is there already is left alone, with
// [ErrKeyExists].
func NewKey(path string) error {
	var key [chacha20poly1305.KeySize]byte
	rand.Read(key[:]) // never fails: crypto/rand ends the program instead
	text := keyComment + base64.StdEncoding.EncodeToString(key[:]) + "\n"

	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return faultf(ErrKeyExists, "sealing key %s exists already: a new one would not open what the old one sealed; move it away first if that is wanted", path)
	} else if err != nil {
		return fmt.Errorf("make sealing key: %w", err)
	}
	_, err = file.WriteString(text)
	if err == nil {
		err = file.Sync()
	}
	if closeErr := file.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = syncFolder(filepath.Dir(path))
	}
	if err != nil {
		// Half a key is worse than none: it would not be overwritten.
		return errors.Join(fmt.Errorf("write sealing key %s: %w", path, err), os.Remove(path))
	}
	return nil
}

// syncFolder makes a new file's name survive a power cut.
func syncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}

// readKey reads a file that NewKey has made.
func readKey(path string, log zerolog.Logger) (sealer, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return sealer{}, faultf(ErrKeyMissing, "sealing key %s is missing: restore it from its backup, or make a new one for a new database with \"papillon init\"", path)
	} else if err != nil {
		return sealer{}, faultf(ErrKeyMissing, "sealing key %s cannot be read: %v: give this user (uid %d) read access to it", path, pathCause(err), os.Getuid())
	}
	key, err := parseKey(text)
	if err != nil {
		return sealer{}, faultf(ErrKeyDamaged, "sealing key %s is damaged (%v): restore it from its backup", path, err)
	}
	// Containers often hand secrets out with mode 0444, so this is no error.
	if info, err := os.Stat(path); err == nil && info.Mode().Perm()&0o077 != 0 {
		log.Warn().Str("file", path).Msg("Sealing key can be read by other users: chmod 600 it")
	}
	aead, err := chacha20poly1305.NewX(key)
	if err != nil {
		return sealer{}, fmt.Errorf("use sealing key %s: %w", path, err)
	}
	return sealer{aead}, nil
}

// parseKey finds the one line of a key file that is neither empty nor a
// comment.
func parseKey(text []byte) (key []byte, err error) {
	for line := range bytes.Lines(text) {
		line = bytes.TrimSpace(line)
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		if key != nil {
			return nil, errors.New("it has more than one key")
		}
		if key, err = base64.StdEncoding.DecodeString(string(line)); err != nil {
			return nil, errors.New("its key is not in Base64")
		}
	}
	if len(key) != chacha20poly1305.KeySize {
		return nil, fmt.Errorf("its key has %d bytes and not %d", len(key), chacha20poly1305.KeySize)
	}
	return key, nil
}

// sealer seals values with XChaCha20-Poly1305. Its nonces are random: 24 bytes
// are enough of them for ever. Where says what a value is and which row it
// belongs to; it opens nowhere else, so that nobody who can write to the
// database can give an account another one's password.
type sealer struct{ aead cipher.AEAD }

func (s sealer) seal(plain []byte, where ...string) []byte {
	nonce := make([]byte, chacha20poly1305.NonceSizeX, chacha20poly1305.NonceSizeX+len(plain)+chacha20poly1305.Overhead)
	rand.Read(nonce) // never fails: crypto/rand ends the program instead
	return s.aead.Seal(nonce, nonce, plain, place(where))
}

func (s sealer) open(sealed []byte, where ...string) ([]byte, error) {
	if len(sealed) < chacha20poly1305.NonceSizeX {
		return nil, ErrSeal
	}
	nonce, text := sealed[:chacha20poly1305.NonceSizeX], sealed[chacha20poly1305.NonceSizeX:]
	plain, err := s.aead.Open(nil, nonce, text, place(where))
	if err != nil {
		return nil, ErrSeal
	}
	return plain, nil
}

// place encodes where so that no two places look alike.
func place(where []string) (data []byte) {
	for _, w := range where {
		data = binary.AppendUvarint(data, uint64(len(w)))
		data = append(data, w...)
	}
	return data
}
