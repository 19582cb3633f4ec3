# One data source for KV version 1 and 2: it asks the mount which it is.
data "vault_generic_secret" "config" {
  path                  = "${var.mount}/message-broker/config"
  with_lease_start_time = false
}

data "vault_generic_secret" "credentials" {
  for_each = var.credentials

  path                  = "${var.mount}/message-broker/creds/${each.key}"
  with_lease_start_time = false
}

locals {
  # Addresses and names stand in the same tree as passwords, and are none.
  config = nonsensitive(data.vault_generic_secret.config.data)
}
