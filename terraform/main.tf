locals {
  # Below message-broker/creds/.
  credentials = concat(
    values(module.names.credentials),
    var.telemetry_enabled ? ["otel"] : [],
  )

  logins = var.secrets_source == "vault" ? module.secrets[0].users : var.users

  url    = var.url != null ? var.url : one(module.secrets[*].url)
  vpn    = coalesce(var.msg_vpn, one(module.secrets[*].msg_vpn), "default")
  prefix = coalesce(var.pos_topic_prefix, one(module.secrets[*].pos_topic_prefix), "sale/pos/transaction")

  # Whose they are, if not ours: they are known by their names.
  message_vpn     = var.global_rights ? module.message_vpn[0].name : local.vpn
  client_profiles = var.global_rights ? module.profiles[0].client_profiles : { for name, user in module.names.users : name => user.profile }

  # Names are no secrets; passwords stay marked.
  user_names = { for name, credentials in module.names.credentials : name => nonsensitive(local.logins[credentials].username) }
  passwords  = { for name, credentials in module.names.credentials : name => local.logins[credentials].password }
}

module "names" {
  source = "./modules/names"

  pos_topic_prefix     = local.prefix
  number_of_stores     = var.number_of_stores
  max_unacked          = var.max_unacked
  queue_quota_mb       = var.queue_quota_mb
  store_queue_quota_mb = var.store_queue_quota_mb
}

module "secrets" {
  source = "./modules/secrets"
  count  = var.secrets_source == "vault" ? 1 : 0

  mount       = var.vault_mount
  credentials = local.credentials
}

module "message_vpn" {
  source = "./modules/message-vpn"
  count  = var.global_rights ? 1 : 0

  name            = local.vpn
  spool_mb        = coalesce(var.vpn_spool_mb, module.names.quota_mb + (var.telemetry_enabled ? var.telemetry_quota_mb : 0))
  max_endpoints   = max(1000, 2 * length(module.names.queues))
  max_connections = var.max_connections_per_user * (length(module.names.users) + 1)
  plain_text      = var.plain_text
  tls             = var.tls
  amqp            = var.telemetry_enabled ? { port = var.amqp_port, tls_port = var.amqp_tls_port } : null
}

module "profiles" {
  source = "./modules/profiles"
  count  = var.global_rights ? 1 : 0

  message_vpn              = local.message_vpn
  users                    = module.names.users
  max_connections_per_user = var.max_connections_per_user
}

module "acls" {
  source = "./modules/acls"

  message_vpn       = local.message_vpn
  users             = module.names.users
  user_names        = local.user_names
  passwords         = local.passwords
  client_profiles   = local.client_profiles
  allowed_addresses = var.allowed_addresses
  publish_after     = module.queues.ready
}

module "queues" {
  source = "./modules/queues"

  message_vpn = local.message_vpn
  queues      = module.names.queues
  owners      = module.acls.user_names
}

module "telemetry" {
  source = "./modules/telemetry"
  count  = var.telemetry_enabled ? 1 : 0

  message_vpn       = local.message_vpn
  profile           = var.telemetry_profile
  topics            = module.names.topics
  quota_mb          = var.telemetry_quota_mb
  user_name         = nonsensitive(local.logins["otel"].username)
  password          = local.logins["otel"].password
  allowed_addresses = var.allowed_addresses
}
