package wire

import "math"

// ParseTrID checks a transaction id: 1 to 10 digits with a value below 2^32
// (draft-movva-00 §5.6). It returns the id as it came, since an answer echoes
// it letter by letter. Clients start at 0, jump, and use one id for many
// commands; all of that is allowed.
func ParseTrID(s string) (string, bool) {
	if len(s) > 10 {
		return "", false
	}
	if _, ok := parseDecimal(s, math.MaxUint32); !ok {
		return "", false
	}
	return s, true
}

// ParseLength reads the length of a payload in bytes: decimal digits only, no
// sign. ok is false for anything else and for what an int does not hold.
func ParseLength(s string) (n int, ok bool) {
	value, ok := parseDecimal(s, math.MaxInt)
	return int(value), ok
}

// parseDecimal reads digits up to a greatest value. strconv would let a plus
// sign through.
func parseDecimal(s string, most uint64) (value uint64, ok bool) {
	if s == "" {
		return 0, false
	}
	for i := 0; i < len(s); i++ {
		digit := uint64(s[i] - '0')
		if digit > 9 || value > (most-digit)/10 {
			return 0, false
		}
		value = value*10 + digit
	}
	return value, true
}
