# What tillstream may do: all roles in one process, with the embedded broker.
# The matrix is `SecretReader` in domain/src/access.rs; a test compares. Each path stands here as KV version 1 and version 2
# name it, `+` is exactly one name.

path "kv/message-broker/config" {
  capabilities = ["read"]
}
path "kv/data/message-broker/config" {
  capabilities = ["read"]
}

path "kv/message-broker/config/aggregation-service" {
  capabilities = ["read"]
}
path "kv/data/message-broker/config/aggregation-service" {
  capabilities = ["read"]
}

path "kv/message-broker/creds/+" {
  capabilities = ["read"]
}
path "kv/message-broker/creds/" {
  capabilities = ["list"]
}
path "kv/data/message-broker/creds/+" {
  capabilities = ["read"]
}
path "kv/metadata/message-broker/creds/" {
  capabilities = ["list"]
}

path "kv/otel-collector/config" {
  capabilities = ["read"]
}
path "kv/data/otel-collector/config" {
  capabilities = ["read"]
}

path "kv/validation-service/config" {
  capabilities = ["read"]
}
path "kv/data/validation-service/config" {
  capabilities = ["read"]
}

path "kv/validation-service/creds/+" {
  capabilities = ["read"]
}
path "kv/validation-service/creds/" {
  capabilities = ["list"]
}
path "kv/data/validation-service/creds/+" {
  capabilities = ["read"]
}
path "kv/metadata/validation-service/creds/" {
  capabilities = ["list"]
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
