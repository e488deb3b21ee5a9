package matrixtest

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"text/template"
)

// synapse is the homeserver that tools/synapse pins.
type synapse struct{}

func (synapse) title() string { return "Synapse" }

func (synapse) traits() Traits {
	return Traits{PushesEphemeral: true, ChecksContent: true}
}

// install finds the virtual environment. It is not made here: it is Python's, and
// what that takes is the business of the script.
func (synapse) install(ctx context.Context, _ io.Writer) (string, error) {
	root, err := moduleRoot(ctx)
	if err != nil {
		return "", err
	}
	folder := filepath.Join(root, "tools", "synapse")
	pinned, err := os.ReadFile(filepath.Join(folder, "requirements.txt"))
	if err != nil {
		return "", fmt.Errorf("find what Synapse is made of: %w", err)
	}
	venv := filepath.Join(folder, "venv")
	installed, err := os.ReadFile(filepath.Join(venv, "installed.txt"))
	if err != nil || !bytes.Equal(pinned, installed) {
		return "", fmt.Errorf("find Synapse: %s is not there, or not as pinned: run make synapse", venv)
	}
	return filepath.Join(venv, "bin"), nil
}

// configure writes the configuration, how to log, and, once, the signing key.
func (synapse) configure(_ context.Context, s *Server) error {
	config, err := renderConfig(synapseConfig, s)
	if err != nil {
		return err
	}
	files := map[string][]byte{"homeserver.yaml": config, "log.yaml": []byte(synapseLog)}
	if _, err := os.Stat(filepath.Join(s.dir, "signing.key")); err != nil {
		seed := make([]byte, 32)
		_, _ = rand.Read(seed) // never fails
		files["signing.key"] = []byte("ed25519 a_test " + base64.RawStdEncoding.EncodeToString(seed) + "\n")
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(s.dir, name), text, 0o600); err != nil {
			return fmt.Errorf("write the homeserver's %s: %w", name, err)
		}
	}
	return nil
}

func (synapse) command(s *Server) *exec.Cmd {
	return exec.Command(filepath.Join(s.bin, "python"), "-m", "synapse.app.homeserver", "--config-path", "homeserver.yaml")
}

// synapseLog has warnings go to standard error.
const synapseLog = `version: 1
formatters:
  plain: {format: '%(asctime)s %(levelname)s %(name)s %(message)s'}
handlers:
  console: {class: logging.StreamHandler, formatter: plain}
root: {level: WARNING, handlers: [console]}
disable_existing_loggers: false
`

// synapseConfig is a configuration for Synapse 1.163.2 without federation. Its rate
// limits are those of its defaults, which stop a person who writes ten messages at
// once, or ten thousand times that. Paths are relative to its working directory.
var synapseConfig = template.Must(template.New("homeserver.yaml").Parse(`server_name: {{.Domain}}
public_baseurl: http://{{.Host}}:{{.Port}}/
report_stats: false
listeners:
  - port: {{.Port}}
    bind_addresses: ['{{.Host}}']
    type: http
    tls: false
    resources: [{names: [client]}]
database: {name: sqlite3, args: {database: homeserver.db}}
log_config: log.yaml
signing_key_path: signing.key
trusted_key_servers: []
federation_domain_whitelist: []
media_store_path: media_store
url_preview_enabled: false
registration_shared_secret: {{.Secret}}
macaroon_secret_key: {{.Secret}}
form_secret: {{.Secret}}
bcrypt_rounds: 4
password_config: {policy: {enabled: false}}
app_service_config_files: [{{range $i, $f := .Registrations}}{{if $i}}, {{end}}{{printf "%q" $f}}{{end}}]
presence: {enabled: {{.Options.Presence}}{{with .Options.PresenceTimeout}}, sync_online_timeout: {{.Milliseconds}}{{end}}}
{{- if not .Options.RateLimits}}
rc_message: &free {per_second: 10000, burst_count: 10000}
rc_registration: *free
rc_login: {address: *free, account: *free, failed_attempts: *free}
rc_admin_redaction: *free
rc_joins: {local: *free, remote: *free}
rc_joins_per_room: *free
rc_invites: {per_room: *free, per_user: *free, per_issuer: *free}
rc_media_create: *free
rc_presence: {per_user: *free}
rc_room_creation: *free
rc_user_directory: *free
rc_profile: *free
{{- end}}
`))
