# Who may do what. The services hold the same matrix in domain/src/access.rs; a test compares.
locals {
  rights = {
    validation  = { credentials = "validation-service", publishes = ["receipt", "failed", "aggregation"], subscribes = [] }
    aggregation = { credentials = "aggregation-service", publishes = ["late", "rejected"], subscribes = ["receipt"] }
    reporting   = { credentials = "reporting-service", publishes = ["rejected"], subscribes = ["receipt", "failed", "aggregation", "late"] }
    store       = { credentials = "store-service", publishes = [], subscribes = ["aggregation"] }
    operator    = { credentials = "login", publishes = [], subscribes = ["rejected"] }
  }

  users = { for name, rights in local.rights : name => {
    # Where the secret tree keeps its name and password, below message-broker/creds/.
    credentials = rights.credentials
    # Of ACL and client profile; a user name belongs to the secrets and may change with them.
    profile = "sale_pos_transaction_${name}"
    # A publisher also asks the broker what becomes of a message that no queue takes; that topic is no other's.
    publishes  = concat([for kind in rights.publishes : local.topics[kind]], length(rights.publishes) > 0 ? ["${local.prefix}/check/${name}"] : [])
    subscribes = [for kind in rights.subscribes : local.topics[kind]]
    consumes   = sort([for queue, settings in local.queues : queue if settings.owner == name])
  } }
}
