package msnp

import (
	"slices"

	"papillon/msnp/wire"
)

// ownPhones are the keys of PRP in the order in which SYN sends them,
// contactPhones those of BPR.
var (
	ownPhones     = [...]PhoneKey{PhoneHome, PhoneWork, PhoneMobile, MobileDevice, MobileEnabled}
	contactPhones = [...]PhoneKey{PhoneHome, PhoneWork, PhoneMobile, MobileDevice}
)

// maxPhone is the longest value of PRP, encoded.
const maxPhone = 95

// phoneWords appends a key and its value to the words of a line; an empty value
// is left out, but for the settings, which are N then.
func phoneWords(phones Phones, key PhoneKey, words ...string) []string {
	words = append(words, string(key))
	value := phones[key]
	if value == "" && (key == MobileDevice || key == MobileEnabled) {
		value = "N"
	}
	if value == "" {
		return words
	}
	return append(words, wire.EncodeName(value, wire.ASCII, maxPhone))
}

// handlePRP changes one of the user's telephone numbers.
func (n *notification) handlePRP(req *request) error {
	key := PhoneKey(req.args[0])
	if !slices.Contains(ownPhones[:], key) {
		return Errorf(CodeInvalidParameter, "PRP of %q", req.args[0])
	}
	value := nameFrom(req.args, 1)
	if value != "" && tooLong(value, maxPhone) {
		return Errorf(CodeInvalidParameter, "PRP value is too long")
	}
	reply := func(serial uint32) {
		n.noteSerial(serial)
		n.sendLine(phoneWords(Phones{key: value}, key, "PRP", req.trID, number(serial))...)
	}
	if keeper, ok := n.session.(PhoneKeeper); ok {
		return keeper.SetPhone(n.context(), key, value, reply)
	}
	if n.phones == nil {
		n.phones = make(Phones)
	}
	n.phones[key] = value
	reply(n.lastSerial())
	return nil
}

// tooLong says whether a text is longer than max bytes once it is encoded.
func tooLong(text string, max int) bool {
	return wire.EncodeName(text, wire.ASCII, max) != wire.EncodeName(text, wire.ASCII, 0)
}

// ContactPhone implements [PhoneNotifier].
func (n *notification) ContactPhone(contact Handle, key PhoneKey, value string, serial uint32) {
	if !n.dialect.phones || !slices.Contains(contactPhones[:], key) {
		return
	}
	n.noteSerial(serial)
	n.sendLine(phoneWords(Phones{key: value}, key, "BPR", number(serial), string(contact))...)
}
