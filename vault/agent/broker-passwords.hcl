# Beside message-broker.hcl, where the broker is a container that takes the passwords of its own people from files, one password a file:
#   bao agent -config=vault/agent/message-broker.hcl -config=vault/agent/broker-passwords.hcl
# The broker's image has a user of its own, whatever ours is, so everybody may read these files. What protects them is that each
# directory is a volume that only its readers have: never write them into a directory of the machine.

template {
  source               = "vault/agent/templates/broker-admin.ctmpl"
  destination          = "vault-rendered/broker-admin/password"
  create_dest_dirs     = true
  error_on_missing_key = true
  perms                = "0444"
}

template {
  source               = "vault/agent/templates/broker-monitor.ctmpl"
  destination          = "vault-rendered/broker-monitor/password"
  create_dest_dirs     = true
  error_on_missing_key = true
  perms                = "0444"
}
