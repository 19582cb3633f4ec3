# Every queue and its settings. The embedded broker has the same in actors/embedded/src/queues.rs; a test compares.
locals {
  # Turnover and ledger are made of them: redelivered for ever (a limit would count the deaths of the consumer as failures of the
  # message), never expired, and a queue that cannot take a sale, be it full or disabled, costs a till a 503 and not the sale.
  vital = { for queue, settings in {
    "sale_pos_transaction_aggregation_service" = { owner = "aggregation", kinds = ["receipt"] }
    "sale_pos_transaction_ledger.q"            = { owner = "reporting", kinds = ["receipt"] }
    "sale_pos_transaction_reporting.q"         = { owner = "reporting", kinds = ["aggregation", "late", "failed"] }
    } : queue => {
    owner              = settings.owner
    subscriptions      = [for kind in settings.kinds : local.topics[kind]]
    reject_to_sender   = "always"
    max_redelivery     = 0
    ttl_seconds        = 0
    quota_mb           = var.queue_quota_mb
    dead_message_queue = ""
    max_unacked        = var.max_unacked
  } }

  # Read by people and by stores, who may be away: no till waits for them, and what kills its reader does not come for ever.
  unattended = merge(
    { "sale_pos_transaction_rejected.q" = {
      owner         = "operator"
      subscriptions = [local.topics.rejected]
      ttl_seconds   = 0
      quota_mb      = var.queue_quota_mb
    } },
    { for store in local.stores : store.queue => {
      owner         = "store"
      subscriptions = [store.topics]
      ttl_seconds   = 86400
      quota_mb      = var.store_queue_quota_mb
    } },
  )

  read_by_others = { for queue, settings in local.unattended : queue => merge(settings, {
    reject_to_sender   = "never"
    max_redelivery     = 10
    dead_message_queue = "${queue}.dmq"
    max_unacked        = 10000
  }) }

  dead = { for queue, settings in local.unattended : "${queue}.dmq" => {
    owner              = "operator"
    subscriptions      = []
    reject_to_sender   = "never"
    max_redelivery     = 0
    ttl_seconds        = 0
    quota_mb           = settings.quota_mb
    dead_message_queue = ""
    max_unacked        = 10000
  } }

  queues = merge(local.vital, local.read_by_others, local.dead)
}
