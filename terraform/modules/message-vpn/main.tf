resource "solacebroker_msg_vpn" "this" {
  msg_vpn_name = var.name
  enabled      = true

  # Everybody has a name and a password; a fresh broker lets anybody in.
  authentication_basic_enabled       = true
  authentication_basic_type          = "internal"
  authentication_client_cert_enabled = false
  authentication_kerberos_enabled    = false
  authentication_oauth_enabled       = false
  authorization_type                 = "internal"

  max_msg_spool_usage  = var.spool_mb
  max_endpoint_count   = var.max_endpoints
  max_connection_count = var.max_connections

  service_smf_plain_text_enabled = var.plain_text
  service_smf_tls_enabled        = var.tls

  service_amqp_plain_text_enabled     = var.amqp != null && var.plain_text
  service_amqp_plain_text_listen_port = try(var.amqp.port, 0)
  service_amqp_tls_enabled            = var.amqp != null && var.tls
  service_amqp_tls_listen_port        = try(var.amqp.tls_port, 0)

  # Nobody needs another way in, so there is none. Some of them are open by default.
  service_web_plain_text_enabled           = false
  service_web_tls_enabled                  = false
  service_mqtt_plain_text_enabled          = false
  service_mqtt_tls_enabled                 = false
  service_mqtt_web_socket_enabled          = false
  service_mqtt_tls_web_socket_enabled      = false
  service_rest_incoming_plain_text_enabled = false
  service_rest_incoming_tls_enabled        = false
  semp_over_msg_bus_enabled                = false
  jndi_enabled                             = false
  dmr_enabled                              = false
  export_subscriptions_enabled             = false

  tls_allow_downgrade_to_plain_text_enabled = false
}
