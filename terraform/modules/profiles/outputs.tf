output "client_profiles" {
  description = "The client profile of every user, by the user's name."
  value       = { for name, profile in solacebroker_msg_vpn_client_profile.user : name => profile.client_profile_name }
}
