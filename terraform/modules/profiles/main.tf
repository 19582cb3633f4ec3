resource "solacebroker_msg_vpn_client_profile" "user" {
  for_each = var.users

  msg_vpn_name        = var.message_vpn
  client_profile_name = each.value.profile

  allow_guaranteed_msg_send_enabled    = length(each.value.publishes) > 0
  allow_guaranteed_msg_receive_enabled = length(each.value.consumes) > 0

  # Without it the broker acknowledges a sale whose queue is missing, and swallows it.
  reject_msg_to_sender_on_no_subscription_match_enabled = true

  # Queues are made here and nowhere else.
  allow_guaranteed_endpoint_create_enabled = false
  allow_bridge_connections_enabled         = false
  allow_shared_subscriptions_enabled       = false
  allow_transacted_sessions_enabled        = false

  max_connection_count_per_client_username = var.max_connections_per_user
  # One flow for each queue; twice that, for a flow that takes another's place.
  max_egress_flow_count = max(1, 2 * length(each.value.consumes))

  tls_allow_downgrade_to_plain_text_enabled = false
}

# Every message VPN is born with this one, and it allows everything. It cannot be deleted; it can be closed.
resource "solacebroker_msg_vpn_client_profile" "default" {
  msg_vpn_name        = var.message_vpn
  client_profile_name = "default"

  allow_bridge_connections_enabled                      = false
  allow_guaranteed_endpoint_create_enabled              = false
  allow_guaranteed_msg_receive_enabled                  = false
  allow_guaranteed_msg_send_enabled                     = false
  allow_shared_subscriptions_enabled                    = false
  allow_transacted_sessions_enabled                     = false
  reject_msg_to_sender_on_no_subscription_match_enabled = true
}
