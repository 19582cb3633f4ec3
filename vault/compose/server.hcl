# The server of docker-compose.yml, for OpenBao 2.7: server.hcl beside this file, reached by other containers. `prepare` makes the
# certificate and the places below /var/lib/vault/data, `vault-keeper` opens it whenever it is sealed.

ui           = false
api_addr     = "https://vault:8200"
cluster_addr = "https://vault:8201"

storage "raft" {
  path    = "/var/lib/vault/data/raft"
  node_id = "vault"
  # There is nobody else to be elected.
  performance_multiplier = 1
}

listener "tcp" {
  address         = "0.0.0.0:8200"
  cluster_address = "127.0.0.1:8201"
  tls_cert_file   = "/var/lib/vault/data/tls/server.pem"
  tls_key_file    = "/var/lib/vault/data/tls/server.key"
  tls_min_version = "tls12"

  telemetry {
    unauthenticated_metrics_access = true
  }

  # The keeper makes a token for one run from the unseal keys. Whoever else reaches this port needs three of the five keys for that,
  # which only the keeper has; the networks that reach it lead nowhere else.
  disable_unauthed_generate_root_endpoints = false
}

telemetry {
  prometheus_retention_time = "60s"
  disable_hostname          = true
}

# Into the container's log, which is bounded.
audit "file" "to-log" {
  description = "who did what"
  options     = { file_path = "stdout" }
}
