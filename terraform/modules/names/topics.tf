# The topics of the contract, as subscriptions. The services build the same in domain/src/topics.rs; a test compares.
locals {
  prefix = var.pos_topic_prefix

  topics = {
    receipt     = "${local.prefix}/receipt/>"
    failed      = "${local.prefix}/failed/>"
    aggregation = "${local.prefix}/aggregations/>"
    late        = "${local.prefix}/late/>"
    rejected    = "${local.prefix}/rejected/>"
  }

  stores = { for number in range(1, var.number_of_stores + 1) : tostring(number) => {
    queue  = "sale_pos_transaction_aggregations_store${number}.q"
    topics = "${local.prefix}/aggregations/STORE_${number}/>"
  } }
}
