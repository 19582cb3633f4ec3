output "queue" {
  description = "The queue that the collector's receiver binds."
  value       = local.queue
}
