package xmpptest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"text/template"

	"papillon/bridge/child"
)

// prosody runs Prosody 0.12.
type prosody struct{}

const (
	prosodyConfig = "prosody.cfg.lua"
	hostsFile     = "hosts"
)

// scramIterations is the least that RFC 5802 §5.1 allows: a test does not need
// more, and each login costs them on both sides.
const scramIterations = 4096

// prosodyTemplate is Debian's default with the modules that a public server has.
// The message archive keeps everything by default, as public servers do.
var prosodyTemplate = template.Must(template.New(prosodyConfig).Parse(`
pidfile = "{{.Dir}}/prosody.pid"
data_path = "{{.Dir}}/data"
plugin_paths = {}
interfaces = { "127.0.0.1" }
c2s_ports = { {{.Client}} }
c2s_direct_tls_ports = { {{.DirectTLS}} }
component_ports = { {{.Component}} }
component_interfaces = { "127.0.0.1" }
{{with .Federation}}
s2s_ports = { {{$.S2SPort}} }
s2s_interfaces = { "{{.}}" }
unbound = { hoststxt = "{{$.Dir}}/{{$.Hosts}}", resolvconf = false }
{{end}}http_ports = { {{.HTTP}} }
http_interfaces = { "127.0.0.1" }
https_ports = {}
log = { { levels = { min = "info" }, to = "console" } }
ssl = { certificate = "{{.Dir}}/{{.Certificate}}", key = "{{.Dir}}/{{.Key}}", cafile = "{{.Dir}}/{{.CA}}" }
c2s_direct_tls_ssl = { certificate = "{{.Dir}}/{{.Certificate}}", key = "{{.Dir}}/{{.Key}}" }
authentication = "internal_hashed"
default_iteration_count = {{.Iterations}}
storage = "internal"
c2s_require_encryption = true
allow_registration = true
default_archive_policy = true
modules_enabled = {
	"roster", "saslauth", "tls", "disco", "ping", "register", "carbons", {{if .Archive}}"mam",{{end}}
	"smacks", "blocklist", "pep", "vcard4", "vcard_legacy", "bookmarks", "csi_simple", "offline",
	"version", "time", "posix", "presence", "message", "iq", "lastactivity", "private", "uptime",
	"admin_socket", "admin_shell", {{if .Federation}}"s2s", "dialback",{{end}}
}
modules_disabled = { {{if not .Federation}}"s2s"{{end}} }
VirtualHost "{{.Domain}}"
Component "{{.MUC}}" "muc"
	modules_enabled = { {{if .Archive}}"muc_mam",{{end}} "vcard_muc" }
	restrict_room_creation = {{.NoNewRooms}}
Component "{{.Upload}}" "http_file_share"
	http_host = "127.0.0.1"
	http_external_url = "http://{{.HTTPAddress}}/"
Component "{{.ComponentDomain}}"
	component_secret = "{{.Secret}}"
`))

// configure implements program.
func (prosody) configure(s *Server) error {
	data := filepath.Join(s.dir, "data")
	if err := os.MkdirAll(data, 0o750); err != nil {
		return fmt.Errorf("make Prosody's data folder: %w", err)
	}
	if err := hand(data); err != nil {
		return fmt.Errorf("hand Prosody its data folder: %w", err)
	}
	federated := ""
	if f := s.options.federation; f != nil {
		federated = f.host
		if err := s.write(hostsFile, []byte(f.hosts)); err != nil {
			return err
		}
	}
	var out bytes.Buffer
	err := prosodyTemplate.Execute(&out, map[string]any{
		"Dir": s.dir, "Domain": s.Domain, "MUC": s.MUCDomain, "Upload": s.UploadDomain,
		"ComponentDomain": s.ComponentDomain, "Secret": s.Secret, "Archive": !s.options.NoArchive, "NoNewRooms": s.options.NoNewRooms,
		"Client": port(s.ClientAddress), "DirectTLS": port(s.DirectTLSAddress),
		"Component": port(s.ComponentAddress), "HTTP": port(s.HTTPAddress), "HTTPAddress": s.HTTPAddress,
		"Certificate": certFile, "Key": keyFile, "CA": caFile, "Iterations": scramIterations,
		"Federation": federated, "S2SPort": s2sPort, "Hosts": hostsFile,
	})
	if err != nil {
		return fmt.Errorf("render Prosody's configuration: %w", err)
	}
	return s.write(prosodyConfig, out.Bytes())
}

// command implements program.
func (prosody) command(s *Server) (*exec.Cmd, error) {
	path, err := exec.LookPath("prosody")
	if err != nil {
		return nil, fmt.Errorf("%w: install it: %s", err, installLine)
	}
	cmd := exec.Command(path, "--config", filepath.Join(s.dir, prosodyConfig), "-F")
	cmd.Env = append(os.Environ(), "HOME="+s.dir)
	return cmd, nil
}

// ready implements program: Prosody loads its hosts before it listens, but its
// console, which removing users needs, comes up beside.
func (prosody) ready(ctx context.Context, s *Server) error {
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", filepath.Join(s.dir, "data", "prosody.sock"))
	if err != nil {
		return err
	}
	return conn.Close()
}

// register implements program. It writes the file that prosodyctl would write:
// a thousand times faster, and Prosody reads it when it is asked for the user.
func (p prosody) register(_ context.Context, s *Server, name, password string) error {
	if _, err := os.Stat(p.file(s, "accounts", name)); err == nil {
		return errors.New("the account exists already")
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return p.writeAccount(s, name, password)
}

// setPassword implements program.
func (p prosody) setPassword(_ context.Context, s *Server, name, password string) error {
	if _, err := os.Stat(p.file(s, "accounts", name)); err != nil {
		return err
	}
	return p.writeAccount(s, name, password)
}

// settle implements program: Prosody answers when it has written.
func (prosody) settle(context.Context, *Server) error { return nil }

// file is where the internal store keeps what it has about a user under a key.
func (prosody) file(s *Server, key, name string) string {
	return filepath.Join(s.dir, "data", storeName(s.Domain), key, storeName(name)+".dat")
}

// storeName escapes a name as util.datamanager does for file names.
func storeName(name string) string {
	var b strings.Builder
	for _, c := range []byte(name) {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' {
			b.WriteByte(c)
			continue
		}
		fmt.Fprintf(&b, "%%%02x", c)
	}
	return b.String()
}

// writeAccount writes a password in the clear, which mod_auth_internal_hashed
// hashes when it first needs it.
func (p prosody) writeAccount(s *Server, name, password string) error {
	return p.store(s, "accounts", name, "return {\n\t[\"password\"] = "+luaString(password)+";\n};\n")
}

// store writes what the internal store has about a user under a key.
func (p prosody) store(s *Server, key, name, content string) error {
	path := p.file(s, key, name)
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return err
	}
	for _, owned := range []string{filepath.Dir(dir), dir} {
		if err := hand(owned); err != nil {
			return err
		}
	}
	// Renamed into place: the server may read at any time.
	temporary := path + "~new"
	if err := os.WriteFile(temporary, []byte(content), 0o640); err != nil {
		return err
	}
	if err := hand(temporary); err != nil {
		return err
	}
	return os.Rename(temporary, path)
}

// remove implements program, through the console of the running server, which
// ends the user's sessions.
func (prosody) remove(ctx context.Context, s *Server, name string) error {
	path, err := exec.LookPath("prosodyctl")
	if err != nil {
		return fmt.Errorf("%w: install it: %s", err, installLine)
	}
	cmd := exec.CommandContext(ctx, path, "--config", filepath.Join(s.dir, prosodyConfig), "shell", "user", "delete", s.JID(name))
	cmd.Dir, cmd.Env = s.dir, append(os.Environ(), "HOME="+s.dir)
	prepare(cmd)
	out, err := child.Output(cmd)
	if err != nil {
		return fmt.Errorf("prosodyctl: %w: %s", err, out)
	}
	if !bytes.Contains(out, []byte("deleted")) {
		return fmt.Errorf("prosodyctl: %s", bytes.TrimSpace(out))
	}
	return nil
}
