package xmpptest

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"text/template"
	"time"
)

// ejabberd runs ejabberd 23.01, by Erlang itself: Debian's ejabberdctl insists on
// a user of its own, a name daemon and a port for Erlang's distribution.
type ejabberd struct{}

const ejabberdConfig = "ejabberd.yml"

// ejabberdTemplate is the example configuration of the package, with its limits
// on speed removed and an interface for making users on the port for uploads.
var ejabberdTemplate = template.Must(template.New(ejabberdConfig).Parse(`
hosts: ["{{.Domain}}"]
loglevel: warning
certfiles: ["{{.Dir}}/{{.PEM}}"]
ca_file: "{{.Dir}}/{{.CA}}"
auth_password_format: scram
registration_timeout: infinity
api_permissions:
  "tests": {from: [mod_http_api], who: all, what: "*"}
acl:
  local: {user_regexp: ""}
  msn: {server: {{.ComponentDomain}}}
access_rules:
  local: {allow: local}
  muc_create: [{{if .NoNewRooms}}{deny: all}{{else}}{allow: msn}, {allow: local}{{end}}]
shaper_rules:
  max_user_offline_messages: 100000
listen:
  - {port: {{.Client}}, ip: "127.0.0.1", module: ejabberd_c2s, starttls_required: true, max_stanza_size: 262144}
  - {port: {{.DirectTLS}}, ip: "127.0.0.1", module: ejabberd_c2s, tls: true, max_stanza_size: 262144}
  - {port: {{.Component}}, ip: "127.0.0.1", module: ejabberd_service, hosts: {"{{.ComponentDomain}}": {password: "{{.Secret}}"}}}
  - {port: {{.HTTP}}, ip: "127.0.0.1", module: ejabberd_http, request_handlers: {"/upload": mod_http_upload, "/api": mod_http_api}}
modules:
  mod_adhoc: {}
  mod_admin_extra: {}
  mod_blocking: {}
  mod_caps: {}
  mod_carboncopy: {}
  mod_client_state: {}
  mod_disco: {}
  mod_http_api: {}
  mod_http_upload: {put_url: "http://{{.HTTPAddress}}/upload", docroot: "{{.Dir}}/upload"}
  mod_last: {}
{{- if .Archive}}
  mod_mam: {default: always}
{{- end}}
  mod_muc: {access_create: muc_create, default_room_options: {mam: {{.Archive}}}}
  mod_offline: {}
  mod_ping: {}
  mod_privacy: {}
  mod_private: {}
  mod_pubsub: {plugins: [flat, pep], force_node_config: {"storage:bookmarks": {access_model: whitelist}}}
  mod_register: {ip_access: all}
  mod_roster: {versioning: true}
  mod_stream_mgmt: {resume_timeout: 60}
  mod_vcard: {}
  mod_vcard_xupdate: {}
  mod_version: {}
`))

// configure implements program.
func (ejabberd) configure(s *Server) error {
	var out bytes.Buffer
	err := ejabberdTemplate.Execute(&out, map[string]any{
		"Dir": s.dir, "Domain": s.Domain, "ComponentDomain": s.ComponentDomain, "Secret": s.Secret,
		"Archive": !s.options.NoArchive, "NoNewRooms": s.options.NoNewRooms, "PEM": bothFile, "CA": caFile,
		"Client": port(s.ClientAddress), "DirectTLS": port(s.DirectTLSAddress),
		"Component": port(s.ComponentAddress), "HTTP": port(s.HTTPAddress), "HTTPAddress": s.HTTPAddress,
	})
	if err != nil {
		return fmt.Errorf("render ejabberd's configuration: %w", err)
	}
	return s.write(ejabberdConfig, out.Bytes())
}

// command implements program.
func (ejabberd) command(s *Server) (*exec.Cmd, error) {
	erl, err := exec.LookPath("erl")
	if err != nil {
		return nil, fmt.Errorf("%w: install it: %s", err, installLine)
	}
	// Debian keeps the code in its folder for the machine's architecture.
	code, err := filepath.Glob("/usr/lib/*/ejabberd-*/ebin/ejabberd.app")
	if err != nil {
		return nil, err
	}
	if len(code) == 0 {
		return nil, fmt.Errorf("ejabberd: %w: install it: %s", exec.ErrNotFound, installLine)
	}
	libraries := filepath.Dir(filepath.Dir(filepath.Dir(code[0])))
	cmd := exec.Command(erl, "-noinput", "-mnesia", "dir", fmt.Sprintf("%q", filepath.Join(s.dir, "spool")), "-s", "ejabberd")
	cmd.Env = append(os.Environ(),
		"HOME="+s.dir, "ERL_LIBS="+libraries, "ERL_CRASH_DUMP_BYTES=0",
		"EJABBERD_CONFIG_PATH="+filepath.Join(s.dir, ejabberdConfig),
		"EJABBERD_LOG_PATH="+filepath.Join(s.dir, "ejabberd.log"),
	)
	return cmd, nil
}

// ready implements program: ejabberd listens before all its modules run.
func (e ejabberd) ready(ctx context.Context, s *Server) error {
	return e.call(ctx, s, "status", map[string]string{})
}

// register implements program.
func (e ejabberd) register(ctx context.Context, s *Server, name, password string) error {
	return e.call(ctx, s, "register", map[string]string{"user": name, "host": s.Domain, "password": password})
}

// setPassword implements program.
func (e ejabberd) setPassword(ctx context.Context, s *Server, name, password string) error {
	return e.call(ctx, s, "change_password", map[string]string{"user": name, "host": s.Domain, "newpass": password})
}

// remove implements program.
func (e ejabberd) remove(ctx context.Context, s *Server, name string) error {
	return e.call(ctx, s, "unregister", map[string]string{"user": name, "host": s.Domain})
}

// settle implements program. Its database, Mnesia, appends to one log, which is
// on disk up to a mark when the mark is.
func (e ejabberd) settle(ctx context.Context, s *Server) error {
	mark := strings.ToLower("mark-" + rand.Text())
	if err := e.register(ctx, s, mark, mark); err != nil {
		return err
	}
	files := os.DirFS(filepath.Join(s.dir, "spool"))
	for {
		written, err := holds(files, mark)
		if written || err != nil {
			return errors.Join(err, e.remove(ctx, s, mark))
		}
		select {
		case <-time.After(pollInterval):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// holds says whether the text stands in one of the files.
func holds(files fs.FS, text string) (bool, error) {
	entries, err := fs.ReadDir(files, ".")
	if err != nil {
		return false, err
	}
	for _, entry := range entries {
		if entry.IsDir() {
			continue
		}
		content, err := fs.ReadFile(files, entry.Name())
		if err != nil && !errors.Is(err, fs.ErrNotExist) { // the log is moved now and then
			return false, err
		}
		if bytes.Contains(content, []byte(text)) {
			return true, nil
		}
	}
	return false, nil
}

// call makes an administration command (mod_http_api).
func (ejabberd) call(ctx context.Context, s *Server, command string, arguments map[string]string) error {
	body, err := json.Marshal(arguments)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+s.HTTPAddress+"/api/"+command, bytes.NewReader(body))
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	answer, err := io.ReadAll(resp.Body)
	if err = errors.Join(err, resp.Body.Close()); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s: %s", command, resp.Status, answer)
	}
	return nil
}
