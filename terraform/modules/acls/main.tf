locals {
  publishes = merge([for name, user in var.users : {
    for topic in user.publishes : "${name} ${topic}" => { user = name, topic = topic }
  }]...)

  subscribes = merge([for name, user in var.users : {
    for topic in user.subscribes : "${name} ${topic}" => { user = name, topic = topic }
  }]...)

  connects = merge([for name in keys(var.users) : {
    for address in var.allowed_addresses : "${name} ${address}" => { user = name, address = address }
  }]...)
}

# Nothing is allowed but the exceptions below.
resource "solacebroker_msg_vpn_acl_profile" "user" {
  for_each = var.users

  msg_vpn_name                        = var.message_vpn
  acl_profile_name                    = each.value.profile
  client_connect_default_action       = length(var.allowed_addresses) == 0 ? "allow" : "disallow"
  publish_topic_default_action        = "disallow"
  subscribe_topic_default_action      = "disallow"
  subscribe_share_name_default_action = "disallow"
}

resource "solacebroker_msg_vpn_acl_profile_client_connect_exception" "address" {
  for_each = local.connects

  msg_vpn_name                     = var.message_vpn
  acl_profile_name                 = solacebroker_msg_vpn_acl_profile.user[each.value.user].acl_profile_name
  client_connect_exception_address = each.value.address
}

resource "solacebroker_msg_vpn_acl_profile_publish_topic_exception" "topic" {
  for_each = local.publishes

  msg_vpn_name                   = var.message_vpn
  acl_profile_name               = solacebroker_msg_vpn_acl_profile.user[each.value.user].acl_profile_name
  publish_topic_exception        = each.value.topic
  publish_topic_exception_syntax = "smf"

  depends_on = [var.publish_after]
}

resource "solacebroker_msg_vpn_acl_profile_subscribe_topic_exception" "topic" {
  for_each = local.subscribes

  msg_vpn_name                     = var.message_vpn
  acl_profile_name                 = solacebroker_msg_vpn_acl_profile.user[each.value.user].acl_profile_name
  subscribe_topic_exception        = each.value.topic
  subscribe_topic_exception_syntax = "smf"
}

resource "solacebroker_msg_vpn_client_username" "user" {
  for_each = var.users

  msg_vpn_name        = var.message_vpn
  client_username     = var.user_names[each.key]
  password            = var.passwords[each.key]
  acl_profile_name    = solacebroker_msg_vpn_acl_profile.user[each.key].acl_profile_name
  client_profile_name = var.client_profiles[each.key]
  enabled             = true

  # With it every queue would be everybody's, to read and to delete, whatever owner and permission say.
  guaranteed_endpoint_permission_override_enabled = false
  subscription_manager_enabled                    = false
}

# Every message VPN is born with these two, and on a fresh broker anybody is let in as the one and may do all that the other allows.
# They cannot be deleted; they can be closed.
resource "solacebroker_msg_vpn_acl_profile" "default" {
  msg_vpn_name                        = var.message_vpn
  acl_profile_name                    = "default"
  client_connect_default_action       = "disallow"
  publish_topic_default_action        = "disallow"
  subscribe_topic_default_action      = "disallow"
  subscribe_share_name_default_action = "disallow"
}

resource "solacebroker_msg_vpn_client_username" "default" {
  msg_vpn_name        = var.message_vpn
  client_username     = "default"
  acl_profile_name    = solacebroker_msg_vpn_acl_profile.default.acl_profile_name
  client_profile_name = "default"
  enabled             = false

  guaranteed_endpoint_permission_override_enabled = false
  subscription_manager_enabled                    = false
}
