# What pos-service may do: role pos, the simulated tills.
# The matrix is `SecretReader` in domain/src/access.rs; a test compares. Each path stands here as KV version 1 and version 2
# name it, `+` is exactly one name.

path "kv/message-broker/config" {
  capabilities = ["read"]
}
path "kv/data/message-broker/config" {
  capabilities = ["read"]
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

path "kv/validation-service/creds/admin" {
  capabilities = ["read"]
}
path "kv/data/validation-service/creds/admin" {
  capabilities = ["read"]
}

path "kv/validation-service/creds/pos-service" {
  capabilities = ["read"]
}
path "kv/data/validation-service/creds/pos-service" {
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
