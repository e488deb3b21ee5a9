package matrixtest

import (
	"bytes"
	"fmt"
	"net"
	"path/filepath"
	"text/template"
)

// sharedSecret lets the harness make users. The server listens on loopback
// only and lives as long as a test.
const sharedSecret = "papillon-test"

// renderConfig fills in what the configurations of all programs are made of.
func renderConfig(t *template.Template, s *Server) ([]byte, error) {
	files := make([]string, len(s.options.Registrations))
	for i, name := range s.options.Registrations {
		path, err := filepath.Abs(name)
		if err != nil {
			return nil, fmt.Errorf("find registration %s: %w", name, err)
		}
		files[i] = path
	}
	host, port, err := net.SplitHostPort(s.addr)
	if err != nil {
		return nil, fmt.Errorf("read the homeserver's address: %w", err)
	}
	var out bytes.Buffer
	err = t.Execute(&out, map[string]any{
		"Domain": Domain, "Secret": sharedSecret, "Registrations": files, "Options": s.options,
		"Host": host, "Port": port,
	})
	if err != nil {
		return nil, fmt.Errorf("render the homeserver's configuration: %w", err)
	}
	return out.Bytes(), nil
}
