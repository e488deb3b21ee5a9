package matrixtest

import (
	"bytes"
	"fmt"
	"path/filepath"
	"text/template"
)

// sharedSecret lets the harness make users. The server listens on loopback
// only and lives as long as a test.
const sharedSecret = "papillon-test"

// configTemplate is the smallest configuration that Dendrite v0.15.2 starts
// with. Paths are relative to its working directory.
var configTemplate = template.Must(template.New("dendrite.yaml").Parse(`version: 2
global:
  server_name: {{.Domain}}
  private_key: matrix_key.pem
  disable_federation: true
  presence:
    enable_inbound: {{.Presence}}
    enable_outbound: {{.Presence}}
  jetstream:
    in_memory: {{not .Persistent}}
    storage_path: ./jetstream
app_service_api:
  config_files: [{{range $i, $f := .Registrations}}{{if $i}}, {{end}}{{printf "%q" $f}}{{end}}]
client_api:
  registration_shared_secret: {{.Secret}}
  rate_limiting:
    enabled: false
federation_api:
  key_perspectives: []
  database: {connection_string: "file:federationapi.db"}
key_server:
  database: {connection_string: "file:keyserver.db"}
media_api:
  base_path: ./media_store
  database: {connection_string: "file:mediaapi.db"}
mscs:
  database: {connection_string: "file:mscs.db"}
relay_api:
  database: {connection_string: "file:relayapi.db"}
room_server:
  database: {connection_string: "file:roomserver.db"}
sync_api:
  database: {connection_string: "file:syncapi.db"}
user_api:
  bcrypt_cost: 4
  account_database: {connection_string: "file:userapi_accounts.db"}
logging:
  - {type: std, level: warn}
`))

func renderConfig(o Options) ([]byte, error) {
	files := make([]string, len(o.Registrations))
	for i, name := range o.Registrations {
		path, err := filepath.Abs(name)
		if err != nil {
			return nil, fmt.Errorf("find registration %s: %w", name, err)
		}
		files[i] = path
	}
	var out bytes.Buffer
	err := configTemplate.Execute(&out, map[string]any{
		"Domain": Domain, "Secret": sharedSecret, "Presence": o.Presence,
		"Persistent": o.Persistent, "Registrations": files,
	})
	if err != nil {
		return nil, fmt.Errorf("render the homeserver's configuration: %w", err)
	}
	return out.Bytes(), nil
}
