# Values that the services or the broker would refuse are refused here, before anything is made.

run "another_prefix_is_everywhere" {
  command = plan

  variables {
    pos_topic_prefix = "shop-7/v1.2/sale_x:y"
  }

  assert {
    condition     = alltrue([for topic in output.topics : startswith(topic, "shop-7/v1.2/sale_x:y/")])
    error_message = "A topic does not begin with the prefix."
  }

  assert {
    condition = alltrue(flatten([for queue in output.queues : [
      for subscription in queue.subscriptions : startswith(subscription, "shop-7/v1.2/sale_x:y/")
    ]]))
    error_message = "A queue's subscription does not begin with the prefix."
  }
}

run "a_prefix_of_24_bytes_is_the_longest" {
  command = plan

  variables {
    pos_topic_prefix = "abcdefghijklmnopqrstuvwx"
  }
}

run "a_prefix_of_25_bytes_is_refused" {
  command = plan

  variables {
    pos_topic_prefix = "abcdefghijklmnopqrstuvwxy"
  }

  expect_failures = [var.pos_topic_prefix]
}

run "a_prefix_with_a_wildcard_is_refused" {
  command = plan

  variables {
    pos_topic_prefix = "sale/>"
  }

  expect_failures = [var.pos_topic_prefix]
}

run "a_prefix_with_an_empty_level_is_refused" {
  command = plan

  variables {
    pos_topic_prefix = "sale//pos"
  }

  expect_failures = [var.pos_topic_prefix]
}

run "a_prefix_that_ends_in_a_slash_is_refused" {
  command = plan

  variables {
    pos_topic_prefix = "sale/pos/"
  }

  expect_failures = [var.pos_topic_prefix]
}

run "an_empty_prefix_is_refused" {
  command = plan

  variables {
    pos_topic_prefix = ""
  }

  expect_failures = [var.pos_topic_prefix]
}

run "no_store_is_refused" {
  command = plan

  variables {
    number_of_stores = 0
  }

  expect_failures = [var.number_of_stores]
}

run "half_a_store_is_refused" {
  command = plan

  variables {
    number_of_stores = 2.5
  }

  expect_failures = [var.number_of_stores]
}

run "a_queue_that_can_hold_nothing_is_refused" {
  command = plan

  variables {
    queue_quota_mb       = 0
    store_queue_quota_mb = 0
  }

  expect_failures = [var.queue_quota_mb, var.store_queue_quota_mb]
}

run "more_unacknowledged_messages_than_the_broker_takes_are_refused" {
  command = plan

  variables {
    max_unacked = 1000001
  }

  expect_failures = [var.max_unacked]
}
