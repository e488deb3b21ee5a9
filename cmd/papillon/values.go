package main

import (
	"fmt"
	"strings"
	"time"
)

// Duration is a time span in the configuration, like 90s or 72h.
type Duration time.Duration

// UnmarshalText implements encoding.TextUnmarshaler, for file and environment.
func (d *Duration) UnmarshalText(text []byte) error {
	if string(text) == "0" {
		*d = 0
		return nil
	}
	v, err := time.ParseDuration(string(text))
	if err != nil {
		return fmt.Errorf("%q is not a time span; write it like 90s, 5m or 72h", text)
	}
	*d = Duration(v)
	return nil
}

// MarshalText implements encoding.TextMarshaler.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// String writes the span without trailing zero parts: 72h, not 72h0m0s.
func (d Duration) String() string {
	s := time.Duration(d).String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// Secret is a setting that never shows in logs or dumps.
type Secret string

// redacted stands for a secret that is set.
const redacted = "(secret)"

// String implements fmt.Stringer.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return redacted
}

// GoString implements fmt.GoStringer.
func (s Secret) GoString() string { return s.String() }

// MarshalText implements encoding.TextMarshaler, and with it that of JSON, YAML
// and the log.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
