output "message_vpn" {
  description = "The message VPN: solace.vpn of the services."
  value       = local.message_vpn
}

output "queues" {
  description = "Every queue by name, with its settings."
  value       = module.names.queues
}

output "users" {
  description = "The user name of everybody, by name; never a password."
  value       = module.acls.user_names
}

output "access" {
  description = "Who may publish, subscribe to and consume what."
  value       = module.names.users
}

output "ready" {
  description = "Every queue with the number of its subscriptions, once they are there."
  value       = module.queues.ready
}

output "telemetry_queue" {
  description = "What the collector's receiver binds; null without telemetry."
  value       = one(module.telemetry[*].queue)
}
