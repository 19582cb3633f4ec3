# Apart from `users`, because it has to be known before the topic prefix, which may come from where credentials are read.
output "credentials" {
  description = "Whose credentials every user has, by the user's name: a name below message-broker/creds/."
  value       = { for name, rights in local.rights : name => rights.credentials }
}

output "topics" {
  description = "The subscription to all messages of a kind, by kind."
  value       = local.topics
}

output "users" {
  description = "Every user of the broker: whose credentials it has, its profiles' name, what it may publish, subscribe to and consume."
  value       = local.users
}

output "queues" {
  description = "Every queue by name: owner, subscriptions, and all its settings."
  value       = local.queues
}

output "quota_mb" {
  description = "What all queues may hold together, in MB."
  value       = sum([for queue in local.queues : queue.quota_mb])
}
