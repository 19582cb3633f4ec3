variable "message_vpn" {
  description = "Where the profiles belong."
  type        = string
  nullable    = false
}

variable "users" {
  description = "Every user by name, as module `names` says: its profile's name, what it publishes and which queues it consumes."
  type = map(object({
    profile   = string
    publishes = list(string)
    consumes  = list(string)
  }))
  nullable = false
}

variable "max_connections_per_user" {
  description = "How many clients may be connected as one user; a session that changes its password is two for a moment."
  type        = number
  nullable    = false

  validation {
    condition     = var.max_connections_per_user >= 2 && var.max_connections_per_user <= 200000
    error_message = "A user needs 2 to 200,000 connections: while a password is changed, the new login stands before the old one is given up."
  }
}
