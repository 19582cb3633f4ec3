variable "message_vpn" {
  description = "Whose messages are traced."
  type        = string
  nullable    = false
}

variable "profile" {
  description = "Name of the telemetry profile; the broker makes the queue #telemetry-<name> for the collector by itself."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{1,21}$", var.profile))
    error_message = "A telemetry profile's name has 1 to 21 characters of `A-Z a-z 0-9 _ -`."
  }
}

variable "topics" {
  description = "Which messages are traced, as subscriptions by a name for each."
  type        = map(string)
  nullable    = false
}

variable "quota_mb" {
  description = "How much the spans may take on disk while the collector is away, in MB."
  type        = number
  nullable    = false

  validation {
    condition     = var.quota_mb >= 1 && var.quota_mb <= 6000000
    error_message = "The quota of the spans must be 1 to 6,000,000 MB."
  }
}

variable "user_name" {
  description = "The collector's user name."
  type        = string
  nullable    = false
}

variable "password" {
  description = "The collector's password."
  type        = string
  nullable    = false
  sensitive   = true

  validation {
    condition     = length(var.password) >= 1 && length(var.password) <= 128
    error_message = "The collector's password has 1 to 128 characters."
  }
}

variable "allowed_addresses" {
  description = "From where the collector may connect, as CIDR blocks; empty: from anywhere, with its password."
  type        = set(string)
  nullable    = false
}
