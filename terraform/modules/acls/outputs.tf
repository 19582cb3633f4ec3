output "user_names" {
  description = "The user name of every user, by name, once the user is there."
  value       = { for name, user in solacebroker_msg_vpn_client_username.user : name => user.client_username }
}
