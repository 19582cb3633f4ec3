provider "solacebroker" {
  url      = local.url
  username = coalesce(var.semp_username, local.logins["login"].username)
  password = var.semp_password != null ? var.semp_password : local.logins["login"].password
}

# Asked for nothing, and not even reached, unless secrets_source is "vault".
provider "vault" {
  address      = var.vault_address
  ca_cert_file = var.vault_ca_cert_file

  # The AppRole may read its secrets and nothing else; it cannot make a child of its token.
  skip_child_token = true

  dynamic "auth_login" {
    for_each = var.vault_role_id_file == null ? [] : [var.vault_role_id_file]

    content {
      path = "auth/approle/login"
      parameters = {
        role_id   = trimspace(file(auth_login.value))
        secret_id = trimspace(file(var.vault_secret_id_file))
      }
    }
  }
}
