# The agent beside the collector of traces, which cannot speak Vault: logs in, and keeps a file with its secrets up to date.
#   bao agent -config=vault/agent/otel-collector.hcl       (or `vault agent`; OpenBao 2.7 was tested)
# Where the server is stands in the environment: BAO_ADDR and BAO_CACERT (VAULT_ADDR and VAULT_CACERT are read too). Paths are seen
# from where it is started; git ignores vault-approles and vault-rendered. Into a container mount the directories and not single
# files: the agent writes beside a file and renames, and a mounted file would stay the old one for ever.

auto_auth {
  method "approle" {
    config = {
      role_id_file_path   = "vault-approles/otel-collector/role_id"
      secret_id_file_path = "vault-approles/otel-collector/secret_id"
      # By default the agent deletes the file once it has read it, and could not log in again after a restart or when its token
      # has reached its maximum. It reads the file anew at each login, so a renewed secret id is found.
      remove_secret_id_file_after_reading = false
    }
  }

  # No sink: a token is of no use to whoever reads the rendered file, and it must never stand in it.
}

template_config {
  static_secret_render_interval = "30s"
  # Without the server the last good file stays, and the agent tries again.
  exit_on_retry_failure = false
}

template {
  source               = "vault/agent/templates/otel-collector.yaml.ctmpl"
  destination          = "vault-rendered/otel-collector/secrets.yaml"
  create_dest_dirs     = true
  error_on_missing_key = true
  perms                = "0600"
}
