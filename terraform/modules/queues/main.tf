locals {
  vital      = { for name, queue in var.queues : name => queue if queue.reject_to_sender == "always" }
  unattended = { for name, queue in var.queues : name => queue if queue.reject_to_sender == "never" }

  subscriptions = { for kind in ["always", "never"] : kind => merge([
    for name, queue in var.queues : {
      for topic in queue.subscriptions : "${name} ${topic}" => { queue = name, topic = topic }
    } if queue.reject_to_sender == kind
  ]...) }
}

# What turnover and ledger are made of. A queue that goes, or loses its subscription, while tills sell takes sales with it that were
# answered with 200, and the broker says nothing of that. So nothing here is ever replaced or destroyed: not by a changed name, not by
# `terraform destroy`. Whoever means it takes the resource out of the state first.
resource "solacebroker_msg_vpn_queue" "vital" {
  for_each = local.vital

  msg_vpn_name    = var.message_vpn
  queue_name      = each.key
  access_type     = "exclusive"
  owner           = var.owners[each.value.owner]
  permission      = "no-access"
  ingress_enabled = true
  egress_enabled  = true

  reject_msg_to_sender_on_discard_behavior = each.value.reject_to_sender
  max_msg_spool_usage                      = each.value.quota_mb
  max_delivered_unacked_msgs_per_flow      = each.value.max_unacked

  redelivery_enabled   = true
  max_redelivery_count = each.value.max_redelivery
  respect_ttl_enabled  = each.value.ttl_seconds > 0
  max_ttl              = each.value.ttl_seconds

  lifecycle {
    prevent_destroy = true
  }
}

resource "solacebroker_msg_vpn_queue_subscription" "vital" {
  for_each = local.subscriptions["always"]

  msg_vpn_name       = var.message_vpn
  queue_name         = solacebroker_msg_vpn_queue.vital[each.value.queue].queue_name
  subscription_topic = each.value.topic

  lifecycle {
    prevent_destroy = true
  }
}

# What people and stores read, and what could not be delivered to them.
resource "solacebroker_msg_vpn_queue" "unattended" {
  for_each = local.unattended

  msg_vpn_name    = var.message_vpn
  queue_name      = each.key
  access_type     = "exclusive"
  owner           = var.owners[each.value.owner]
  permission      = "no-access"
  ingress_enabled = true
  egress_enabled  = true

  reject_msg_to_sender_on_discard_behavior = each.value.reject_to_sender
  max_msg_spool_usage                      = each.value.quota_mb
  max_delivered_unacked_msgs_per_flow      = each.value.max_unacked

  redelivery_enabled   = true
  max_redelivery_count = each.value.max_redelivery
  dead_msg_queue       = each.value.dead_message_queue != "" ? each.value.dead_message_queue : null
  respect_ttl_enabled  = each.value.ttl_seconds > 0
  max_ttl              = each.value.ttl_seconds
}

resource "solacebroker_msg_vpn_queue_subscription" "unattended" {
  for_each = local.subscriptions["never"]

  msg_vpn_name       = var.message_vpn
  queue_name         = solacebroker_msg_vpn_queue.unattended[each.value.queue].queue_name
  subscription_topic = each.value.topic
}
