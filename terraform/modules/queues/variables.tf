variable "message_vpn" {
  description = "Where the queues belong."
  type        = string
  nullable    = false
}

variable "queues" {
  description = "Every queue by name, as module `names` says."
  type = map(object({
    owner              = string
    subscriptions      = list(string)
    reject_to_sender   = string
    max_redelivery     = number
    ttl_seconds        = number
    quota_mb           = number
    dead_message_queue = string
    max_unacked        = number
  }))
  nullable = false

  validation {
    condition     = alltrue([for queue in var.queues : contains(["always", "never"], queue.reject_to_sender)])
    error_message = "reject_to_sender must be `always` or `never`; the broker's third value loses a sale while a queue is disabled."
  }
}

variable "owners" {
  description = "The user name of every owner that `queues` mentions."
  type        = map(string)
  nullable    = false
}
