variable "mount" {
  description = "The KV mount with the secret tree, in either version of the engine."
  type        = string
  nullable    = false
}

variable "credentials" {
  description = "Whose credentials are read, by their names below message-broker/creds/."
  type        = set(string)
  nullable    = false
}
