# Where secrets and addresses come from.

variable "secrets_source" {
  description = "Where addresses, user names and passwords come from: `variables` (a file that Vault's agent renders is one), or `vault`, read at once from the KV mount."
  type        = string
  default     = "variables"
  nullable    = false

  validation {
    condition     = contains(["variables", "vault"], var.secrets_source)
    error_message = "secrets_source must be `variables` or `vault`."
  }
}

variable "url" {
  description = "Where the broker is managed (SEMP), such as https://broker.example.com:1943. Unset: what Vault says."
  type        = string
  default     = null

  validation {
    condition     = var.url != null || var.secrets_source == "vault"
    error_message = "Set url to where the broker is managed, such as https://broker.example.com:1943."
  }

  validation {
    condition     = var.url == null || can(regex("^https?://[^/]+/?$", var.url))
    error_message = "url must be http or https, a host and perhaps a port."
  }
}

variable "msg_vpn" {
  description = "The message VPN. Unset: what Vault says, or `default`, which is there on every broker and is taken over."
  type        = string
  default     = null
}

variable "pos_topic_prefix" {
  description = "First levels of every topic. Unset: what Vault says, or sale/pos/transaction."
  type        = string
  default     = null
}

variable "users" {
  description = "User name and password of everybody, by their names below message-broker/creds/: login, validation-service, aggregation-service, reporting-service, store-service, and otel for telemetry. Not read where secrets_source is `vault`."
  type = map(object({
    username = string
    password = string
  }))
  default   = {}
  nullable  = false
  sensitive = true

  validation {
    condition     = var.secrets_source == "vault" || length(setsubtract(local.credentials, nonsensitive(keys(var.users)))) == 0
    error_message = "Somebody's credentials are missing. Needed are: ${join(", ", local.credentials)}."
  }
}

variable "global_rights" {
  description = "Whether who manages the broker has global rights. Without them, as on Solace Cloud, the message VPN with its limits and services, and the client profiles sale_pos_transaction_<user>, are not made here and must exist; terraform/README.md says with what settings."
  type        = bool
  default     = true
  nullable    = false
}

variable "semp_username" {
  description = "Who manages the broker. Unset: the operator, users.login."
  type        = string
  default     = null
}

variable "semp_password" {
  description = "The password of who manages the broker; never in state or plan. Unset: the operator's, users.login."
  type        = string
  default     = null
  ephemeral   = true
  sensitive   = true
}

variable "vault_address" {
  description = "Where Vault is. Unset: VAULT_ADDR of the environment."
  type        = string
  default     = null
}

variable "vault_ca_cert_file" {
  description = "PEM file; whom to believe that it is Vault. Unset: VAULT_CACERT of the environment."
  type        = string
  default     = null
}

variable "vault_mount" {
  description = "The KV mount with the secret tree."
  type        = string
  default     = "kv"
  nullable    = false
}

variable "vault_role_id_file" {
  description = "File with the role id of AppRole message-broker. Unset: VAULT_TOKEN of the environment."
  type        = string
  default     = null

  validation {
    condition     = (var.vault_role_id_file == null) == (var.vault_secret_id_file == null)
    error_message = "Set both vault_role_id_file and vault_secret_id_file, or neither."
  }
}

variable "vault_secret_id_file" {
  description = "File with its secret id; not a wrapped one, which only the service unwraps."
  type        = string
  default     = null
}

# Sizes.

variable "number_of_stores" {
  description = "How many stores there are: rules.max_store of the services."
  type        = number
  default     = 10
}

variable "max_unacked" {
  description = "How many sales may be delivered and not acknowledged: at least rate x 41 s x 1.25 by default windows, and not below solace.max_unacked of the services."
  type        = number
  default     = 10000
}

variable "queue_quota_mb" {
  description = "Quota of each queue that must lose nothing, and of the rejected messages, in MB. Full means that tills get 503."
  type        = number
  default     = 10000
}

variable "store_queue_quota_mb" {
  description = "Quota of each store's queue, in MB; over it the newest windows are discarded."
  type        = number
  default     = 16
}

variable "vpn_spool_mb" {
  description = "What all queues together may hold, in MB. Unset: the sum of their quotas, so that no queue can take another's place. The broker's own limit must not be lower."
  type        = number
  default     = null
}

variable "max_connections_per_user" {
  description = "How many clients may be connected as one user."
  type        = number
  default     = 100
}

# Ways in.

variable "plain_text" {
  description = "Whether SMF and AMQP are served without TLS. Only for a network that nobody else is on."
  type        = bool
  default     = true
  nullable    = false

  validation {
    condition     = var.plain_text || var.tls
    error_message = "Without plain_text and without tls nobody can connect."
  }
}

variable "tls" {
  description = "Whether SMF and AMQP are served with TLS; the broker needs a certificate for that."
  type        = bool
  default     = false
  nullable    = false
}

variable "allowed_addresses" {
  description = "From where clients may connect, as CIDR blocks; empty: from anywhere, with a password."
  type        = set(string)
  default     = []
  nullable    = false
}

# Traces.

variable "telemetry_enabled" {
  description = "Whether the broker traces messages and keeps the spans for a collector, which reads them by AMQP."
  type        = bool
  default     = true
  nullable    = false
}

variable "telemetry_profile" {
  description = "Name of the telemetry profile; the collector binds #telemetry-<name>. The services' secret message-broker/config/otel says the same."
  type        = string
  default     = "otel"
  nullable    = false
}

variable "telemetry_quota_mb" {
  description = "How much spans may take on disk while the collector is away, in MB."
  type        = number
  default     = 500
  nullable    = false
}

variable "amqp_port" {
  description = "Port of AMQP without TLS. A port belongs to one message VPN of a broker."
  type        = number
  default     = 5672
  nullable    = false
}

variable "amqp_tls_port" {
  description = "Port of AMQP with TLS."
  type        = number
  default     = 5671
  nullable    = false
}
