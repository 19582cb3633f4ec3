# The agent beside whoever sets up the users of a Solace broker (Terraform, SEMP): keeps a file with all of them up to date.
#   bao agent -config=vault/agent/message-broker.hcl       (or `vault agent`; OpenBao 2.7 was tested)
# Addresses, directories and what is ignored: see otel-collector.hcl beside this file.

auto_auth {
  method "approle" {
    config = {
      role_id_file_path   = "vault-approles/message-broker/role_id"
      secret_id_file_path = "vault-approles/message-broker/secret_id"
      # See otel-collector.hcl: with the default it could log in only once.
      remove_secret_id_file_after_reading = false
    }
  }

  # No sink: a token is of no use to whoever reads the rendered file, and it must never stand in it.
}

template_config {
  static_secret_render_interval = "30s"
  exit_on_retry_failure         = false
}

template {
  source               = "vault/agent/templates/message-broker.json.ctmpl"
  destination          = "vault-rendered/message-broker/broker.json"
  create_dest_dirs     = true
  error_on_missing_key = true
  perms                = "0600"
}
