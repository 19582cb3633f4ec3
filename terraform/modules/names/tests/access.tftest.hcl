# Least privilege: each test would fail if somebody could do more than the contract says.

run "nobody_publishes_what_is_not_theirs" {
  command = plan

  assert {
    condition = output.users["validation"].publishes == [
      "sale/pos/transaction/receipt/>", "sale/pos/transaction/failed/>", "sale/pos/transaction/aggregations/>",
      "sale/pos/transaction/check/validation",
    ]
    error_message = "Validation may publish ${join(", ", output.users["validation"].publishes)}."
  }

  assert {
    condition = output.users["aggregation"].publishes == [
      "sale/pos/transaction/late/>", "sale/pos/transaction/rejected/>", "sale/pos/transaction/check/aggregation",
    ]
    error_message = "Aggregation may publish ${join(", ", output.users["aggregation"].publishes)}."
  }

  assert {
    condition     = output.users["reporting"].publishes == ["sale/pos/transaction/rejected/>", "sale/pos/transaction/check/reporting"]
    error_message = "Reporting may publish ${join(", ", output.users["reporting"].publishes)}."
  }

  assert {
    condition     = alltrue([for name in ["store", "operator"] : length(output.users[name].publishes) == 0])
    error_message = "Readers must not publish."
  }
}

run "d20_only_validation_can_make_a_sale_and_no_right_spans_kinds" {
  command = plan

  assert {
    condition     = [for name, user in output.users : name if contains(user.publishes, output.topics.receipt)] == ["validation"]
    error_message = "Somebody else than validation may publish sales."
  }

  # One level below the prefix every right names its kind: no wildcard before that.
  assert {
    condition = alltrue(flatten([for user in output.users : [
      for topic in concat(user.publishes, user.subscribes) : can(regex("^sale/pos/transaction/[a-z]+/([a-z]+|>)$", topic))
    ]]))
    error_message = "A right has a wildcard where its kind should stand."
  }

  # What nobody consumes by a queue nobody needs to see past the queues either.
  assert {
    condition = alltrue([for name, user in output.users : alltrue([
      for topic in user.subscribes : anytrue([
        for queue in user.consumes : anytrue([
          for subscription in output.queues[queue].subscriptions : startswith(subscription, trimsuffix(topic, ">"))
        ])
      ])
    ])])
    error_message = "Somebody may subscribe to what none of their queues brings."
  }
}

run "every_queue_has_one_owner_who_is_a_user" {
  command = plan

  assert {
    condition     = alltrue([for queue in output.queues : contains(keys(output.users), queue.owner)])
    error_message = "A queue's owner is no user."
  }

  assert {
    condition     = sort(flatten([for user in output.users : user.consumes])) == sort(keys(output.queues))
    error_message = "A queue is consumed by nobody, or by two."
  }

  assert {
    condition     = length(output.users["validation"].consumes) == 0
    error_message = "Validation must not consume."
  }
}

run "credentials_and_profiles_are_each_ones_own" {
  command = plan

  assert {
    condition     = length(distinct([for user in output.users : user.credentials])) == length(output.users)
    error_message = "Two users share credentials."
  }

  # The broker takes no longer name.
  assert {
    condition     = alltrue([for user in output.users : length(user.profile) <= 32])
    error_message = "A profile's name is longer than 32 characters."
  }
}
