output "url" {
  description = "Where the broker is managed."
  value       = "${local.config["http_protocol"]}://${local.config["http_host"]}:${local.config["http_port"]}"
}

output "msg_vpn" {
  description = "The message VPN of the services."
  value       = local.config["msg_vpn"]
}

output "pos_topic_prefix" {
  description = "First levels of every topic."
  value       = local.config["pos_topic_prefix"]
}

output "users" {
  description = "User name and password of everybody whose credentials were asked for."
  sensitive   = true
  value = tomap({ for name, secret in data.vault_generic_secret.credentials : name => {
    username = secret.data["username"]
    password = secret.data["password"]
  } })
}
