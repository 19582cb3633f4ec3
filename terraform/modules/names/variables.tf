variable "pos_topic_prefix" {
  description = "First levels of every topic; the services read the same from the secret message-broker/config."
  type        = string
  default     = "sale/pos/transaction"
  nullable    = false

  validation {
    condition     = length(var.pos_topic_prefix) <= 24 && can(regex("^[A-Za-z0-9_.:-]+(/[A-Za-z0-9_.:-]+)*$", var.pos_topic_prefix))
    error_message = "The topic prefix must be levels of `A-Z a-z 0-9 _ . : -` in at most 24 bytes, such as sale/pos/transaction."
  }
}

variable "number_of_stores" {
  description = "How many stores there are, each with a queue of its own: rules.max_store of the services."
  type        = number
  default     = 10
  nullable    = false

  validation {
    condition     = var.number_of_stores >= 1 && var.number_of_stores <= 10000 && floor(var.number_of_stores) == var.number_of_stores
    error_message = "The number of stores must be a whole number from 1 to 10,000."
  }
}

variable "max_unacked" {
  description = "How many messages a flow of a queue that must lose nothing may hold unacknowledged; not below solace.max_unacked of the services."
  type        = number
  default     = 10000
  nullable    = false

  validation {
    condition     = var.max_unacked >= 1 && var.max_unacked <= 1000000 && floor(var.max_unacked) == var.max_unacked
    error_message = "The broker takes 1 to 1,000,000 unacknowledged messages per flow."
  }
}

variable "queue_quota_mb" {
  description = "Quota of each queue that must lose nothing, and of the rejected messages, in MB. Full means that tills get 503."
  type        = number
  default     = 10000
  nullable    = false

  # The broker takes 0 as well, a queue that stores nothing at all.
  validation {
    condition     = var.queue_quota_mb >= 1 && var.queue_quota_mb <= 6000000 && floor(var.queue_quota_mb) == var.queue_quota_mb
    error_message = "A queue's quota must be 1 to 6,000,000 MB, in whole MB."
  }
}

variable "store_queue_quota_mb" {
  description = "Quota of each store's queue, in MB. Over it the newest windows are discarded, and nobody waits for that."
  type        = number
  default     = 16
  nullable    = false

  validation {
    condition     = var.store_queue_quota_mb >= 1 && var.store_queue_quota_mb <= 6000000 && floor(var.store_queue_quota_mb) == var.store_queue_quota_mb
    error_message = "A store queue's quota must be 1 to 6,000,000 MB, in whole MB."
  }
}
