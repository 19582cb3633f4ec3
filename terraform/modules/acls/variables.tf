variable "message_vpn" {
  description = "Where users and rights belong."
  type        = string
  nullable    = false
}

variable "users" {
  description = "Every user by name, as module `names` says: its profile's name, what it may publish and subscribe to past all queues."
  type = map(object({
    profile    = string
    publishes  = list(string)
    subscribes = list(string)
  }))
  nullable = false
}

variable "user_names" {
  description = "The user name of every user, by name."
  type        = map(string)
  nullable    = false

  validation {
    condition     = alltrue([for user_name in var.user_names : can(regex("^[^?*]{1,189}$", user_name)) && user_name != "default"])
    error_message = "A user name has 1 to 189 characters, none of them * or ?, and is not `default`, which is closed."
  }

  validation {
    condition     = length(distinct(values(var.user_names))) == length(var.user_names)
    error_message = "Two users have the same user name, so one would have the rights of both."
  }
}

variable "passwords" {
  description = "The password of every user, by name."
  type        = map(string)
  nullable    = false
  sensitive   = true

  # An empty password is one that everybody knows.
  validation {
    condition     = alltrue([for password in var.passwords : length(password) >= 1 && length(password) <= 128])
    error_message = "A password has 1 to 128 characters."
  }
}

variable "client_profiles" {
  description = "The client profile of every user, by name."
  type        = map(string)
  nullable    = false
}

variable "allowed_addresses" {
  description = "From where clients may connect, as CIDR blocks; empty: from anywhere, with a password."
  type        = set(string)
  nullable    = false

  validation {
    condition     = alltrue([for address in var.allowed_addresses : can(cidrhost(address, 0))])
    error_message = "Each address must be a CIDR block, such as 10.1.0.0/16."
  }
}

variable "publish_after" {
  description = "What must exist before anybody may publish: all queues and subscriptions. A sale that found one of its two queues only would be counted on one side."
  type        = any
  nullable    = false
}
