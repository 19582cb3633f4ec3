# One server on this machine, for OpenBao 2.7 and, where a comment says so, HashiCorp Vault. Paths are seen from where it is started:
#   tillstream vault prepare                  makes vault-data with a certificate and a directory for the storage
#   bao server -config=vault/server.hcl       begins sealed; `tillstream vault set-up` opens it

ui           = false
api_addr     = "https://127.0.0.1:8200"
cluster_addr = "https://127.0.0.1:8201"

# Several servers hold one storage: each has a node_id of its own and a retry_join block that names the others.
storage "raft" {
  path    = "vault-data/raft"
  node_id = "tillstream-1"
}

# Loopback only. For other machines write the address here, and its name into `tillstream vault prepare --name`; then take the
# last line away from here and put it into a second listener on 127.0.0.1, where set-up works.
listener "tcp" {
  address         = "127.0.0.1:8200"
  cluster_address = "127.0.0.1:8201"
  tls_cert_file   = "vault-data/tls/server.pem"
  tls_key_file    = "vault-data/tls/server.key"
  tls_min_version = "tls12"

  telemetry {
    unauthenticated_metrics_access = true
  }

  # Set-up makes a token for one run from the unseal keys, because the root token is stored nowhere. OpenBao refuses that unless
  # this is said; Vault allows it and warns that it does not know the key: leave it out there.
  disable_unauthed_generate_root_endpoints = false
}

telemetry {
  prometheus_retention_time = "60s"
  disable_hostname          = true
}

# Who did what, with every secret as a keyed hash. OpenBao takes audit devices from here and not over its API. Vault does not know
# the block: take it away there, and set-up enables the same device over the API (`--audit-file`).
audit "file" "to-file" {
  description = "who did what"
  options     = { file_path = "vault-data/audit.log" }
}
