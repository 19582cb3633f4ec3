# Everything from Vault's KV mount, nothing from variables.

mock_provider "solacebroker" {}

mock_provider "vault" {
  # Of the module alone, at which no instance of the root module points.
  mock_data "vault_generic_secret" {
    defaults = { data = {
      http_protocol    = "http"
      http_host        = "message-broker"
      http_port        = "8080"
      msg_vpn          = "default"
      pos_topic_prefix = "sale/pos/transaction"
      username         = "any"
      password         = "any"
    } }
  }

  override_data {
    target = module.secrets[0].data.vault_generic_secret.config
    values = { data = {
      http_protocol    = "https"
      http_host        = "broker.example.com"
      http_port        = "1943"
      msg_vpn          = "pos"
      pos_topic_prefix = "shop/7"
    } }
  }

  override_data {
    target = module.secrets[0].data.vault_generic_secret.credentials["login"]
    values = { data = { username = "admin", password = "login-password" } }
  }

  override_data {
    target = module.secrets[0].data.vault_generic_secret.credentials["otel"]
    values = { data = { username = "collector", password = "otel-password" } }
  }

  override_data {
    target = module.secrets[0].data.vault_generic_secret.credentials["validation-service"]
    values = { data = { username = "v", password = "validation-password" } }
  }

  override_data {
    target = module.secrets[0].data.vault_generic_secret.credentials["aggregation-service"]
    values = { data = { username = "a", password = "aggregation-password" } }
  }

  override_data {
    target = module.secrets[0].data.vault_generic_secret.credentials["reporting-service"]
    values = { data = { username = "r", password = "reporting-password" } }
  }

  override_data {
    target = module.secrets[0].data.vault_generic_secret.credentials["store-service"]
    values = { data = { username = "s", password = "store-password" } }
  }
}

run "names_addresses_and_the_topic_prefix_come_from_vault" {
  command = plan

  variables {
    secrets_source = "vault"
  }

  assert {
    condition     = output.message_vpn == "pos" && output.users["validation"] == "v" && output.users["operator"] == "admin"
    error_message = "Names do not come from Vault."
  }

  assert {
    condition     = contains(output.access["validation"].publishes, "shop/7/receipt/>")
    error_message = "The topic prefix does not come from Vault."
  }
}

run "what_a_variable_says_comes_before_what_vault_says" {
  command = plan

  variables {
    secrets_source   = "vault"
    msg_vpn          = "other"
    pos_topic_prefix = "till"
  }

  assert {
    condition     = output.message_vpn == "other" && contains(output.access["validation"].publishes, "till/receipt/>")
    error_message = "A variable is not heard beside Vault."
  }
}

run "passwords_are_read_where_the_services_read_them" {
  command = plan

  module {
    source = "./modules/secrets"
  }

  variables {
    mount       = "kv"
    credentials = ["validation-service"]
  }

  assert {
    condition     = data.vault_generic_secret.credentials["validation-service"].path == "kv/message-broker/creds/validation-service"
    error_message = "Credentials are read at ${data.vault_generic_secret.credentials["validation-service"].path}."
  }

  assert {
    condition     = data.vault_generic_secret.config.path == "kv/message-broker/config"
    error_message = "Addresses are read at ${data.vault_generic_secret.config.path}."
  }
}
