# What each queue does when it is full, when nobody reads it, and when a message kills its reader.

run "what_turnover_and_ledger_are_made_of_loses_nothing" {
  command = plan

  assert {
    condition = alltrue([
      for name in ["sale_pos_transaction_aggregation_service", "sale_pos_transaction_ledger.q", "sale_pos_transaction_reporting.q"] : (
        output.queues[name].reject_to_sender == "always" && output.queues[name].max_redelivery == 0 &&
        output.queues[name].ttl_seconds == 0 && output.queues[name].dead_message_queue == ""
      )
    ])
    error_message = "A queue of turnover or ledger can lose a message: it expires, gives up, or does not refuse the publisher."
  }

  # A sale is either on both or on none, so that the ledger's two sides can be compared.
  assert {
    condition = (
      output.queues["sale_pos_transaction_aggregation_service"].subscriptions == output.queues["sale_pos_transaction_ledger.q"].subscriptions
    )
    error_message = "Aggregation and ledger must be fed by the same subscriptions."
  }
}

run "d21_a_stores_queue_can_be_read_expires_and_never_holds_up_a_till" {
  command = plan

  assert {
    condition = alltrue([for number in range(1, 11) : (
      output.queues["sale_pos_transaction_aggregations_store${number}.q"].owner == "store" &&
      output.queues["sale_pos_transaction_aggregations_store${number}.q"].subscriptions == ["sale/pos/transaction/aggregations/STORE_${number}/>"] &&
      output.queues["sale_pos_transaction_aggregations_store${number}.q"].ttl_seconds == 86400 &&
      output.queues["sale_pos_transaction_aggregations_store${number}.q"].max_redelivery == 10 &&
      output.queues["sale_pos_transaction_aggregations_store${number}.q"].quota_mb == 16 &&
      output.queues["sale_pos_transaction_aggregations_store${number}.q"].reject_to_sender == "never"
    )])
    error_message = "A store's queue cannot be read, keeps windows for ever, or can refuse a publisher."
  }
}

run "whatever_gives_up_names_a_dead_message_queue_that_exists_and_attracts_nothing" {
  command = plan

  assert {
    condition = alltrue([
      for queue in output.queues : queue.max_redelivery == 0 || contains(keys(output.queues), queue.dead_message_queue)
    ])
    error_message = "A queue gives up and has no dead-message queue."
  }

  assert {
    condition = alltrue([for name, queue in output.queues : (
      !endswith(name, ".dmq") ||
      length(queue.subscriptions) == 0 && queue.dead_message_queue == "" && queue.owner == "operator" && queue.reject_to_sender == "never"
    )])
    error_message = "A dead-message queue attracts topics, is not the operator's, or could refuse a publisher."
  }
}

run "every_message_that_may_be_published_has_a_queue" {
  command = plan

  assert {
    condition = alltrue([for kind, topic in output.topics : anytrue([
      for queue in output.queues : contains(queue.subscriptions, topic)
    ])])
    error_message = "A kind of message has no queue, so the broker would refuse it."
  }

  # The probe has to be refused: that is what it asks.
  assert {
    condition = alltrue(flatten([for queue in output.queues : [
      for subscription in queue.subscriptions : !startswith(subscription, "sale/pos/transaction/check")
    ]]))
    error_message = "A queue takes the publishers' probe."
  }
}

run "each_store_more_is_two_queues_more" {
  command = plan

  variables {
    number_of_stores     = 250
    queue_quota_mb       = 100
    store_queue_quota_mb = 1
    max_unacked          = 51250
  }

  assert {
    condition     = length(output.queues) == 3 + 2 + 2 * 250
    error_message = "There are ${length(output.queues)} queues."
  }

  assert {
    condition     = output.quota_mb == 5 * 100 + 2 * 250
    error_message = "All queues together may hold ${output.quota_mb} MB."
  }

  assert {
    condition     = output.queues["sale_pos_transaction_aggregation_service"].max_unacked == 51250
    error_message = "The bound of unacknowledged messages does not arrive."
  }
}
