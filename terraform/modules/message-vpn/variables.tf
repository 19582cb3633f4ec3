variable "name" {
  description = "The message VPN. `default` is there on every broker and is taken over, never deleted."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[^*?]{1,32}$", var.name))
    error_message = "A message VPN's name has 1 to 32 characters, none of them * or ?."
  }
}

variable "spool_mb" {
  description = "What all queues together may hold on disk, in MB."
  type        = number
  nullable    = false

  validation {
    condition     = var.spool_mb >= 1 && var.spool_mb <= 6000000
    error_message = "The spool must be 1 to 6,000,000 MB."
  }
}

variable "max_endpoints" {
  description = "How many queues there may be."
  type        = number
  nullable    = false
}

variable "max_connections" {
  description = "How many clients may be connected at once."
  type        = number
  nullable    = false
}

variable "plain_text" {
  description = "Whether SMF and AMQP are served without TLS."
  type        = bool
  nullable    = false
}

variable "tls" {
  description = "Whether SMF and AMQP are served with TLS; the broker needs a certificate for that."
  type        = bool
  nullable    = false
}

variable "amqp" {
  description = "Ports of AMQP with and without TLS; null where nobody speaks AMQP. A port belongs to one message VPN."
  type = object({
    port     = number
    tls_port = number
  })
}
