output "ready" {
  description = "Names of all queues and how many subscriptions each has, known once all of them are there."
  value = { for name in keys(var.queues) : name => length([
    for subscription in concat(
      values(solacebroker_msg_vpn_queue_subscription.vital),
      values(solacebroker_msg_vpn_queue_subscription.unattended),
    ) : subscription if subscription.queue_name == name
  ]) }

  depends_on = [solacebroker_msg_vpn_queue.vital, solacebroker_msg_vpn_queue.unattended]
}
