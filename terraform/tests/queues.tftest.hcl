# What the broker is told about queues.

mock_provider "solacebroker" {}

# Not the stand-in for a broker: this one knows no provider.
run "names" {
  command   = plan
  providers = {}

  module {
    source = "./modules/names"
  }
}

run "d21_every_queue_has_an_owner_and_can_be_read_by_nobody_else" {
  command = plan

  module {
    source = "./modules/queues"
  }

  variables {
    message_vpn = "pos"
    queues      = run.names.queues
    owners      = { aggregation = "a", reporting = "r", store = "s", operator = "admin" }
  }

  assert {
    condition = alltrue([
      for queue in concat(values(solacebroker_msg_vpn_queue.vital), values(solacebroker_msg_vpn_queue.unattended)) :
      queue.ingress_enabled && queue.egress_enabled && queue.access_type == "exclusive" && queue.permission == "no-access" &&
      contains(["a", "r", "s", "admin"], queue.owner)
    ])
    error_message = "A queue is shut on one side, shared, open to others, or nobody's."
  }

  assert {
    condition     = length(solacebroker_msg_vpn_queue.vital) == 3 && length(solacebroker_msg_vpn_queue.unattended) == 22
    error_message = "A queue of module names is not made, or another one is."
  }

  assert {
    condition = (
      solacebroker_msg_vpn_queue.unattended["sale_pos_transaction_aggregations_store7.q"].max_ttl == 86400 &&
      solacebroker_msg_vpn_queue.unattended["sale_pos_transaction_aggregations_store7.q"].respect_ttl_enabled
    )
    error_message = "A store's windows never expire: max_ttl is nothing without respect_ttl_enabled."
  }

  assert {
    condition = (
      solacebroker_msg_vpn_queue.unattended["sale_pos_transaction_aggregations_store7.q"].dead_msg_queue == "sale_pos_transaction_aggregations_store7.q.dmq" &&
      solacebroker_msg_vpn_queue.unattended["sale_pos_transaction_aggregations_store7.q"].max_redelivery_count == 10
    )
    error_message = "What kills a store's reader comes for ever, or has no dead-message queue."
  }

  # `when-queue-enabled`, the broker's default, acknowledges a sale to a queue that somebody has disabled.
  assert {
    condition     = alltrue([for queue in solacebroker_msg_vpn_queue.vital : queue.reject_msg_to_sender_on_discard_behavior == "always"])
    error_message = "A sale could be answered with 200 and lost."
  }

  assert {
    condition     = alltrue([for queue in solacebroker_msg_vpn_queue.unattended : queue.reject_msg_to_sender_on_discard_behavior == "never"])
    error_message = "A till could wait for a queue that nobody reads."
  }

  assert {
    condition = sort([for one in concat(
      values(solacebroker_msg_vpn_queue_subscription.vital), values(solacebroker_msg_vpn_queue_subscription.unattended),
      ) : "${one.queue_name} ${one.subscription_topic}"]) == sort(flatten([for name, queue in run.names.queues : [
        for topic in queue.subscriptions : "${name} ${topic}"
    ]]))
    error_message = "The subscriptions are not those of module names."
  }
}

run "the_brokers_third_way_to_refuse_is_refused" {
  command = plan

  module {
    source = "./modules/queues"
  }

  variables {
    message_vpn = "pos"
    queues = {
      any = {
        owner              = "store"
        subscriptions      = []
        reject_to_sender   = "when-queue-enabled"
        max_redelivery     = 0
        ttl_seconds        = 0
        quota_mb           = 1
        dead_message_queue = ""
        max_unacked        = 1
      }
    }
    owners = { store = "s" }
  }

  expect_failures = [var.queues]
}
