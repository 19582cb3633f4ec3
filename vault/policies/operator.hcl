# What an operator may do: write and rotate the secrets of this installation, and hand out secret ids.
# No policies, no roles, no mounts, no other secrets. Each path stands here as KV version 1 and version 2 name it.

path "kv/message-broker/*" {
  capabilities = ["create", "read", "update", "delete", "list"]
}
path "kv/data/message-broker/*" {
  capabilities = ["create", "read", "update", "delete"]
}
path "kv/metadata/message-broker/*" {
  capabilities = ["read", "list"]
}

path "kv/otel-collector/*" {
  capabilities = ["create", "read", "update", "delete", "list"]
}
path "kv/data/otel-collector/*" {
  capabilities = ["create", "read", "update", "delete"]
}
path "kv/metadata/otel-collector/*" {
  capabilities = ["read", "list"]
}

path "kv/validation-service/*" {
  capabilities = ["create", "read", "update", "delete", "list"]
}
path "kv/data/validation-service/*" {
  capabilities = ["create", "read", "update", "delete"]
}
path "kv/metadata/validation-service/*" {
  capabilities = ["read", "list"]
}

# Named one by one: with `+` an operator could take any further role of this mount, also one with more rights.
path "auth/approle/role/validation-service/role-id" {
  capabilities = ["read"]
}
path "auth/approle/role/validation-service/secret-id" {
  capabilities = ["update"]
}
path "auth/approle/role/validation-service/secret-id/lookup" {
  capabilities = ["update"]
}
path "auth/approle/role/validation-service/secret-id/destroy" {
  capabilities = ["update"]
}
path "auth/approle/role/aggregation-service/role-id" {
  capabilities = ["read"]
}
path "auth/approle/role/aggregation-service/secret-id" {
  capabilities = ["update"]
}
path "auth/approle/role/aggregation-service/secret-id/lookup" {
  capabilities = ["update"]
}
path "auth/approle/role/aggregation-service/secret-id/destroy" {
  capabilities = ["update"]
}
path "auth/approle/role/reporting-service/role-id" {
  capabilities = ["read"]
}
path "auth/approle/role/reporting-service/secret-id" {
  capabilities = ["update"]
}
path "auth/approle/role/reporting-service/secret-id/lookup" {
  capabilities = ["update"]
}
path "auth/approle/role/reporting-service/secret-id/destroy" {
  capabilities = ["update"]
}
path "auth/approle/role/pos-service/role-id" {
  capabilities = ["read"]
}
path "auth/approle/role/pos-service/secret-id" {
  capabilities = ["update"]
}
path "auth/approle/role/pos-service/secret-id/lookup" {
  capabilities = ["update"]
}
path "auth/approle/role/pos-service/secret-id/destroy" {
  capabilities = ["update"]
}
path "auth/approle/role/otel-collector/role-id" {
  capabilities = ["read"]
}
path "auth/approle/role/otel-collector/secret-id" {
  capabilities = ["update"]
}
path "auth/approle/role/otel-collector/secret-id/lookup" {
  capabilities = ["update"]
}
path "auth/approle/role/otel-collector/secret-id/destroy" {
  capabilities = ["update"]
}
path "auth/approle/role/message-broker/role-id" {
  capabilities = ["read"]
}
path "auth/approle/role/message-broker/secret-id" {
  capabilities = ["update"]
}
path "auth/approle/role/message-broker/secret-id/lookup" {
  capabilities = ["update"]
}
path "auth/approle/role/message-broker/secret-id/destroy" {
  capabilities = ["update"]
}
path "auth/approle/role/tillstream/role-id" {
  capabilities = ["read"]
}
path "auth/approle/role/tillstream/secret-id" {
  capabilities = ["update"]
}
path "auth/approle/role/tillstream/secret-id/lookup" {
  capabilities = ["update"]
}
path "auth/approle/role/tillstream/secret-id/destroy" {
  capabilities = ["update"]
}
path "auth/approle/role/operator/role-id" {
  capabilities = ["read"]
}
path "auth/approle/role/operator/secret-id" {
  capabilities = ["update"]
}
path "auth/approle/role/operator/secret-id/lookup" {
  capabilities = ["update"]
}
path "auth/approle/role/operator/secret-id/destroy" {
  capabilities = ["update"]
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
