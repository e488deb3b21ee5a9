package xmpp

import (
	"encoding/json"
	"errors"
	"fmt"
)

// Credentials are what an account of kind login logs in with. They are stored
// sealed.
type Credentials struct {
	Password string `json:"password"`
	// Address is the server as host:port, where DNS does not tell; empty else.
	Address string `json:"address,omitempty"`
	// DirectTLS says that Address speaks TLS from the first byte.
	DirectTLS bool `json:"direct_tls,omitempty"`
}

// Marshal makes of them what [bridge.Login] carries.
func (c Credentials) Marshal() ([]byte, error) {
	if c.Password == "" {
		return nil, errors.New("a password is needed")
	}
	return json.Marshal(c)
}

// parseCredentials is the way back.
func parseCredentials(raw []byte) (c Credentials, err error) {
	if err := json.Unmarshal(raw, &c); err != nil {
		// The cause could quote a part of the password.
		return c, errors.New("the stored credentials cannot be read")
	}
	if c.Password == "" {
		return c, fmt.Errorf("the stored credentials have no password")
	}
	return c, nil
}
