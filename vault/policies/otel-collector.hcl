# What otel-collector may do: the collector of traces, whose agent renders a file for it.
# The matrix is `SecretReader` in domain/src/access.rs; a test compares. Each path stands here as KV version 1 and version 2
# name it, `+` is exactly one name.

path "kv/message-broker/config" {
  capabilities = ["read"]
}
path "kv/data/message-broker/config" {
  capabilities = ["read"]
}

path "kv/message-broker/config/otel" {
  capabilities = ["read"]
}
path "kv/data/message-broker/config/otel" {
  capabilities = ["read"]
}

path "kv/message-broker/creds/otel" {
  capabilities = ["read"]
}
path "kv/data/message-broker/creds/otel" {
  capabilities = ["read"]
}

path "kv/otel-collector/config" {
  capabilities = ["read"]
}
path "kv/data/otel-collector/config" {
  capabilities = ["read"]
}

# Its own token and nobody else's. There is no default policy beside this one.
path "auth/token/lookup-self" {
  capabilities = ["read"]
}
path "auth/token/renew-self" {
  capabilities = ["update"]
}
path "auth/token/revoke-self" {
  capabilities = ["update"]
}
