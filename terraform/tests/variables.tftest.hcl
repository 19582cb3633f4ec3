# What is refused before anything is made, and where names and addresses come from.

mock_provider "solacebroker" {}
mock_provider "vault" {}

variables {
  url = "http://message-broker:8080"
  users = {
    login               = { username = "admin", password = "login-password" }
    otel                = { username = "collector", password = "otel-password" }
    validation-service  = { username = "v", password = "validation-password" }
    aggregation-service = { username = "a", password = "aggregation-password" }
    reporting-service   = { username = "r", password = "reporting-password" }
    store-service       = { username = "s", password = "store-password" }
  }
}

run "the_file_that_vaults_agent_renders_is_enough" {
  command = plan

  assert {
    condition     = output.message_vpn == "default"
    error_message = "The message VPN is ${output.message_vpn}."
  }

  assert {
    condition     = output.users == { validation = "v", aggregation = "a", reporting = "r", store = "s", operator = "admin" }
    error_message = "The user names are ${jsonencode(output.users)}."
  }
}

run "without_an_address_nothing_is_made" {
  command = plan

  variables {
    url = null
  }

  expect_failures = [var.url]
}

run "an_address_with_a_path_is_refused" {
  command = plan

  variables {
    url = "http://message-broker:8080/SEMP/v2"
  }

  expect_failures = [var.url]
}

run "somebody_without_credentials_is_refused" {
  command = plan

  variables {
    users = {
      login = { username = "admin", password = "login-password" }
    }
  }

  expect_failures = [var.users]
}

run "without_telemetry_the_collector_needs_no_credentials" {
  command = plan

  variables {
    telemetry_enabled = false
    users = {
      login               = { username = "admin", password = "login-password" }
      validation-service  = { username = "v", password = "validation-password" }
      aggregation-service = { username = "a", password = "aggregation-password" }
      reporting-service   = { username = "r", password = "reporting-password" }
      store-service       = { username = "s", password = "store-password" }
    }
  }

  assert {
    condition     = output.telemetry_queue == null
    error_message = "There is a queue of spans although nobody wants any."
  }
}

run "another_source_of_secrets_is_refused" {
  command = plan

  variables {
    secrets_source = "file"
  }

  expect_failures = [var.secrets_source]
}

run "no_way_in_at_all_is_refused" {
  command = plan

  variables {
    plain_text = false
  }

  expect_failures = [var.plain_text]
}

run "a_role_id_without_a_secret_id_is_refused" {
  command = plan

  variables {
    vault_role_id_file = "/run/role_id"
  }

  expect_failures = [var.vault_role_id_file]
}

run "without_global_rights_message_vpn_and_profiles_are_somebody_elses" {
  command = plan

  variables {
    global_rights = false
    msg_vpn       = "of-the-cloud"
  }

  assert {
    condition     = length(module.message_vpn) == 0 && length(module.profiles) == 0 && output.message_vpn == "of-the-cloud"
    error_message = "Something is made that takes global rights, or in another message VPN."
  }

  assert {
    condition     = length(output.ready) == 25 && output.users["validation"] == "v"
    error_message = "Queues or users are missing."
  }
}
