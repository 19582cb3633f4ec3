output "name" {
  description = "The message VPN, once it is there."
  value       = solacebroker_msg_vpn.this.msg_vpn_name
}
