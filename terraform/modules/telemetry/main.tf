resource "solacebroker_msg_vpn_telemetry_profile" "this" {
  msg_vpn_name           = var.message_vpn
  telemetry_profile_name = var.profile

  trace_enabled                      = true
  trace_send_span_generation_enabled = true
  queue_max_msg_spool_usage          = var.quota_mb

  receiver_enabled                    = true
  receiver_acl_connect_default_action = length(var.allowed_addresses) == 0 ? "allow" : "disallow"
}

resource "solacebroker_msg_vpn_telemetry_profile_receiver_acl_connect_exception" "address" {
  for_each = var.allowed_addresses

  msg_vpn_name                           = var.message_vpn
  telemetry_profile_name                 = solacebroker_msg_vpn_telemetry_profile.this.telemetry_profile_name
  receiver_acl_connect_exception_address = each.value
}

resource "solacebroker_msg_vpn_telemetry_profile_trace_filter" "kind" {
  for_each = var.topics

  msg_vpn_name           = var.message_vpn
  telemetry_profile_name = solacebroker_msg_vpn_telemetry_profile.this.telemetry_profile_name
  trace_filter_name      = each.key
  enabled                = true
}

resource "solacebroker_msg_vpn_telemetry_profile_trace_filter_subscription" "kind" {
  for_each = var.topics

  msg_vpn_name           = var.message_vpn
  telemetry_profile_name = solacebroker_msg_vpn_telemetry_profile.this.telemetry_profile_name
  trace_filter_name      = solacebroker_msg_vpn_telemetry_profile_trace_filter.kind[each.key].trace_filter_name
  subscription           = each.value
  subscription_syntax    = "smf"
}

# The broker makes an ACL profile and a client profile of this name with the telemetry profile; they allow to consume the spans and
# nothing else.
resource "solacebroker_msg_vpn_client_username" "collector" {
  msg_vpn_name        = var.message_vpn
  client_username     = var.user_name
  password            = var.password
  acl_profile_name    = local.queue
  client_profile_name = local.queue
  enabled             = true

  guaranteed_endpoint_permission_override_enabled = false
  subscription_manager_enabled                    = false
}

locals {
  queue = "#telemetry-${solacebroker_msg_vpn_telemetry_profile.this.telemetry_profile_name}"
}
