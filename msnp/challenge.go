package msnp

import (
	"crypto/md5" // the protocol's own choice
	"crypto/rand"
	"crypto/subtle"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"
)

// productKeys are the secrets of clients that answer CHL, by the name that they
// give with QRY.
var productKeys = map[string]string{
	"msmsgs@msnmsgr.com": "Q1P7W2E4J9R8U3S5",
}

// challengeDigits is the length of a challenge.
const challengeDigits = 20

// ask sends a challenge after the first CHG, if that is wanted and the client knows
// it. CHL has the transaction id 0, else aMSN does not answer.
func (n *notification) ask() {
	if !n.server.options.Challenge || !n.dialect.challenges || n.asked || n.status == Offline {
		return
	}
	var random [8]byte
	rand.Read(random[:]) // never fails: crypto/rand ends the program instead
	n.asked = true
	n.challenge = fmt.Sprintf("%0*d", challengeDigits, binary.BigEndian.Uint64(random[:]))
	n.sendLine("CHL", "0", n.challenge)
}

// handleQRY checks the answer to a challenge. It is never required: who says
// nothing stays, and what cannot be checked is taken: an answer to nothing, and
// one of a product whose key is not known.
func (n *notification) handleQRY(req *request) error {
	key, known := productKeys[req.args[0]]
	asked := n.challenge
	n.challenge = ""
	if known && asked != "" {
		sum := md5.Sum([]byte(asked + key))
		want := hex.EncodeToString(sum[:])
		if subtle.ConstantTimeCompare([]byte(strings.ToLower(string(req.payload))), []byte(want)) != 1 {
			return Errorf(CodeChallengeFailed, "wrong answer to CHL")
		}
	}
	n.sendLine("QRY", req.trID)
	return nil
}
