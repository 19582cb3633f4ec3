# What the broker is told about users, profiles and rights.

mock_provider "solacebroker" {}

# Not the stand-in for a broker: this one knows no provider.
run "names" {
  command   = plan
  providers = {}

  module {
    source = "./modules/names"
  }
}

run "profiles_allow_what_their_user_needs_and_swallow_no_sale" {
  command = plan

  module {
    source = "./modules/profiles"
  }

  variables {
    message_vpn              = "pos"
    users                    = run.names.users
    max_connections_per_user = 100
  }

  assert {
    condition = alltrue([
      for profile in solacebroker_msg_vpn_client_profile.user : profile.reject_msg_to_sender_on_no_subscription_match_enabled
    ])
    error_message = "The broker would acknowledge a sale that no queue takes."
  }

  assert {
    condition     = !solacebroker_msg_vpn_client_profile.default.allow_guaranteed_msg_send_enabled
    error_message = "The profile that every message VPN is born with is open."
  }

  assert {
    condition     = [for name, profile in solacebroker_msg_vpn_client_profile.user : name if profile.allow_guaranteed_msg_send_enabled] == ["aggregation", "reporting", "validation"]
    error_message = "Somebody may send who publishes nothing, or may not who does."
  }

  assert {
    condition     = [for name, profile in solacebroker_msg_vpn_client_profile.user : name if profile.allow_guaranteed_msg_receive_enabled] == ["aggregation", "operator", "reporting", "store"]
    error_message = "Somebody may receive who consumes nothing, or may not who does."
  }

  assert {
    condition = alltrue([for profile in solacebroker_msg_vpn_client_profile.user : !anytrue([
      profile.allow_guaranteed_endpoint_create_enabled, profile.allow_bridge_connections_enabled,
      profile.allow_shared_subscriptions_enabled, profile.allow_transacted_sessions_enabled,
    ])])
    error_message = "A client could make queues or bridges of its own."
  }
}

run "d20_nobody_overrides_the_queues_permissions_and_nothing_is_allowed_by_default" {
  command = plan

  module {
    source = "./modules/acls"
  }

  variables {
    message_vpn       = "pos"
    users             = run.names.users
    user_names        = { validation = "v", aggregation = "a", reporting = "r", store = "s", operator = "admin" }
    passwords         = { validation = "1", aggregation = "2", reporting = "3", store = "4", operator = "5" }
    client_profiles   = { validation = "v", aggregation = "a", reporting = "r", store = "s", operator = "o" }
    allowed_addresses = []
    publish_after     = {}
  }

  assert {
    condition     = !solacebroker_msg_vpn_client_username.default.enabled && solacebroker_msg_vpn_acl_profile.default.client_connect_default_action == "disallow"
    error_message = "Anybody can connect as `default`, the user that every message VPN is born with."
  }

  assert {
    condition = alltrue([for user in solacebroker_msg_vpn_client_username.user : (
      user.enabled && !user.guaranteed_endpoint_permission_override_enabled && !user.subscription_manager_enabled
    )])
    error_message = "A user may read and delete every queue, or manages the subscriptions of others."
  }

  assert {
    condition = alltrue([for profile in solacebroker_msg_vpn_acl_profile.user : (
      profile.publish_topic_default_action == "disallow" && profile.subscribe_topic_default_action == "disallow" &&
      profile.subscribe_share_name_default_action == "disallow"
    )])
    error_message = "An ACL profile allows by default."
  }

  assert {
    condition = sort([for one in solacebroker_msg_vpn_acl_profile_publish_topic_exception.topic : "${one.acl_profile_name} ${one.publish_topic_exception}"]) == sort(flatten([
      for user in run.names.users : [for topic in user.publishes : "${user.profile} ${topic}"]
    ]))
    error_message = "The rights to publish are not those of module names."
  }

  assert {
    condition = sort([for one in solacebroker_msg_vpn_acl_profile_subscribe_topic_exception.topic : "${one.acl_profile_name} ${one.subscribe_topic_exception}"]) == sort(flatten([
      for user in run.names.users : [for topic in user.subscribes : "${user.profile} ${topic}"]
    ]))
    error_message = "The rights to subscribe are not those of module names."
  }
}

run "with_addresses_nobody_connects_from_elsewhere" {
  command = plan

  module {
    source = "./modules/acls"
  }

  variables {
    message_vpn       = "pos"
    users             = run.names.users
    user_names        = { validation = "v", aggregation = "a", reporting = "r", store = "s", operator = "admin" }
    passwords         = { validation = "1", aggregation = "2", reporting = "3", store = "4", operator = "5" }
    client_profiles   = { validation = "v", aggregation = "a", reporting = "r", store = "s", operator = "o" }
    allowed_addresses = ["10.1.0.0/16", "192.168.7.0/24"]
    publish_after     = {}
  }

  assert {
    condition     = alltrue([for profile in solacebroker_msg_vpn_acl_profile.user : profile.client_connect_default_action == "disallow"])
    error_message = "Clients may connect from anywhere."
  }

  assert {
    condition     = length(solacebroker_msg_vpn_acl_profile_client_connect_exception.address) == 2 * 5
    error_message = "Somebody may not connect from an allowed address."
  }
}

run "one_user_name_for_two_is_refused" {
  command = plan

  module {
    source = "./modules/acls"
  }

  variables {
    message_vpn       = "pos"
    users             = run.names.users
    user_names        = { validation = "same", aggregation = "same", reporting = "r", store = "s", operator = "admin" }
    passwords         = { validation = "1", aggregation = "2", reporting = "3", store = "4", operator = "5" }
    client_profiles   = { validation = "v", aggregation = "a", reporting = "r", store = "s", operator = "o" }
    allowed_addresses = []
    publish_after     = {}
  }

  expect_failures = [var.user_names]
}

run "an_empty_password_is_refused" {
  command = plan

  module {
    source = "./modules/acls"
  }

  variables {
    message_vpn       = "pos"
    users             = run.names.users
    user_names        = { validation = "v", aggregation = "a", reporting = "r", store = "s", operator = "admin" }
    passwords         = { validation = "", aggregation = "2", reporting = "3", store = "4", operator = "5" }
    client_profiles   = { validation = "v", aggregation = "a", reporting = "r", store = "s", operator = "o" }
    allowed_addresses = []
    publish_after     = {}
  }

  expect_failures = [var.passwords]
}

run "a_message_vpn_has_no_way_in_that_nobody_asked_for" {
  command = plan

  module {
    source = "./modules/message-vpn"
  }

  variables {
    name            = "default"
    spool_mb        = 1000
    max_endpoints   = 100
    max_connections = 100
    plain_text      = true
    tls             = false
    amqp            = null
  }

  assert {
    condition     = solacebroker_msg_vpn.this.authentication_basic_enabled && solacebroker_msg_vpn.this.authentication_basic_type == "internal"
    error_message = "Clients connect without a password."
  }

  assert {
    condition = !anytrue([
      solacebroker_msg_vpn.this.service_web_plain_text_enabled, solacebroker_msg_vpn.this.service_web_tls_enabled,
      solacebroker_msg_vpn.this.service_mqtt_plain_text_enabled, solacebroker_msg_vpn.this.service_mqtt_tls_enabled,
      solacebroker_msg_vpn.this.service_mqtt_web_socket_enabled, solacebroker_msg_vpn.this.service_mqtt_tls_web_socket_enabled,
      solacebroker_msg_vpn.this.service_rest_incoming_plain_text_enabled, solacebroker_msg_vpn.this.service_rest_incoming_tls_enabled,
      solacebroker_msg_vpn.this.semp_over_msg_bus_enabled, solacebroker_msg_vpn.this.service_amqp_plain_text_enabled,
      solacebroker_msg_vpn.this.service_amqp_tls_enabled, solacebroker_msg_vpn.this.service_smf_tls_enabled,
    ])
    error_message = "There is a way in that nobody asked for."
  }
}

run "the_collector_reads_spans_and_nothing_else" {
  command = plan

  module {
    source = "./modules/telemetry"
  }

  variables {
    message_vpn       = "pos"
    profile           = "otel"
    topics            = run.names.topics
    quota_mb          = 500
    user_name         = "collector"
    password          = "any"
    allowed_addresses = []
  }

  assert {
    condition     = output.queue == "#telemetry-otel"
    error_message = "The collector would bind ${output.queue}."
  }

  assert {
    condition = (
      solacebroker_msg_vpn_client_username.collector.acl_profile_name == "#telemetry-otel" &&
      solacebroker_msg_vpn_client_username.collector.client_profile_name == "#telemetry-otel" &&
      !solacebroker_msg_vpn_client_username.collector.guaranteed_endpoint_permission_override_enabled
    )
    error_message = "The collector may do more than read spans."
  }

  assert {
    condition     = solacebroker_msg_vpn_telemetry_profile.this.receiver_enabled && solacebroker_msg_vpn_telemetry_profile.this.trace_enabled
    error_message = "Nothing is traced, or nobody may read it."
  }

  assert {
    condition     = toset([for one in solacebroker_msg_vpn_telemetry_profile_trace_filter_subscription.kind : one.subscription]) == toset(values(run.names.topics))
    error_message = "The traced topics are not those of module names."
  }
}
