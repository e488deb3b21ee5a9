package main

import (
	"bufio"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"math/big"
	"strings"
)

const (
	// passwordAlphabet leaves out what looks alike in old fonts: i l o 0 1.
	passwordAlphabet = "abcdefghjkmnpqrstuvwxyz23456789"
	// passwordGroups of passwordGroup characters make 99 bits, and 23
	// characters to type.
	passwordGroups, passwordGroup = 4, 5
	// maxPassword is what the password boxes of old clients surely take.
	maxPassword = 64
)

// newPassword makes an app password.
func newPassword() (string, error) {
	groups := make([]string, passwordGroups)
	for g := range groups {
		var b strings.Builder
		for range passwordGroup {
			i, err := rand.Int(rand.Reader, big.NewInt(int64(len(passwordAlphabet))))
			if err != nil {
				return "", fmt.Errorf("make a password: %w", err)
			}
			b.WriteByte(passwordAlphabet[i.Int64()])
		}
		groups[g] = b.String()
	}
	return strings.Join(groups, "-"), nil
}

// maxSecret is the longest password or token of a network that is read.
const maxSecret = 4096

// readSecret reads the password or token of a network's account from the first
// line of a stream; old clients never see it.
func readSecret(in io.Reader) (string, error) {
	line, err := bufio.NewReader(io.LimitReader(in, maxSecret+2)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("read the password: %w", err)
	}
	secret := strings.TrimRight(line, "\r\n")
	switch {
	case secret == "":
		return "", errors.New("read the password: there is none on standard input")
	case len(secret) > maxSecret:
		return "", fmt.Errorf("read the password: it is longer than %d bytes", maxSecret)
	}
	return secret, nil
}

// readPassword reads a password from the first line of a stream.
func readPassword(in io.Reader) (string, error) {
	line, err := bufio.NewReader(in).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("read the password: %w", err)
	}
	password := strings.TrimRight(line, "\r\n")
	switch {
	case password == "":
		return "", errors.New("read the password: there is none on standard input")
	case len(password) > maxPassword:
		return "", fmt.Errorf("read the password: it is longer than %d bytes", maxPassword)
	}
	for _, c := range password {
		if c <= ' ' || c > '~' {
			return "", errors.New("read the password: old clients can send printable ASCII only, without blanks")
		}
	}
	return password, nil
}
