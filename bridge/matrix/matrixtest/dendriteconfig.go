package matrixtest

import "text/template"

// dendriteConfig is the smallest configuration that Dendrite v0.15.2 starts
// with. Paths are relative to its working directory.
var dendriteConfig = template.Must(template.New("dendrite.yaml").Parse(`version: 2
global:
  server_name: {{.Domain}}
  private_key: matrix_key.pem
  disable_federation: true
  presence:
    enable_inbound: {{.Options.Presence}}
    enable_outbound: {{.Options.Presence}}
  jetstream:
    in_memory: {{not .Options.Persistent}}
    storage_path: ./jetstream
app_service_api:
  config_files: [{{range $i, $f := .Registrations}}{{if $i}}, {{end}}{{printf "%q" $f}}{{end}}]
client_api:
  registration_shared_secret: {{.Secret}}
  rate_limiting:
    enabled: {{.Options.RateLimits}}
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
