//! The AsyncAPI 3.0 document of topics, queues and messages, built from the same code that publishes.
//! Does not publish; tests hold the addresses against the domain's topics.

use serde_json::{Map, Value, json};
use tillstream_broker::QueueSpec;
use tillstream_domain::{BrokerUser, Correction, PaymentMethod, PaymentStatus, TopicKind};

use crate::http;

/// One channel: a topic pattern and what is on it.
struct Channel {
    name: &'static str,
    /// Below the prefix.
    address: &'static str,
    message: &'static str,
    description: &'static str,
    kind: TopicKind,
}

const CHANNELS: [Channel; 5] = [
    Channel {
        name: "receipt",
        address: "receipt/{store}/{cashier}/{method}/{status}/{timestamp}/{transaction_id}/{total}/{receipt_id}/{customer_id}",
        message: "Sale",
        description: "A validated, paid sale. Without `topics.personal_data` customer and total are `-`.",
        kind: TopicKind::Receipt,
    },
    Channel {
        name: "failed",
        address: "failed/{store}/{transaction_id}",
        message: "Sale",
        description: "A failed payment: recorded, not turnover.",
        kind: TopicKind::Failed,
    },
    Channel {
        name: "aggregations",
        address: "aggregations/{store}/{event_id}/{total}",
        message: "AggregatedEvent",
        description: "A window's turnover. Of two events for one window the one with the greater (final, transaction_count) holds.",
        kind: TopicKind::Aggregation,
    },
    Channel {
        name: "late",
        address: "late/{store}/{transaction_id}",
        message: "LateSale",
        description: "A sale whose window was final.",
        kind: TopicKind::Late,
    },
    Channel {
        name: "rejected",
        address: "rejected/{queue}",
        message: "RejectedMessage",
        description: "Poison, or the same id with another store or amount; with the reason.",
        kind: TopicKind::Rejected,
    },
];

/// The document for this topic prefix and these queues.
pub fn document(prefix: &str, queues: &[QueueSpec], http: &http::Documents) -> Value {
    let channels: Map<_, _> = CHANNELS.iter().map(|channel| (channel.name.to_owned(), channel.json(prefix))).collect();
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "tillstream",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Persistent messages, at least once: a consumer drops repetitions by their id. All queues are durable and exclusive.",
        },
        "defaultContentType": "application/json",
        "servers": { "broker": server() },
        "channels": channels,
        "operations": operations(prefix, queues),
        "components": { "messages": messages(), "schemas": schemas(http), "securitySchemes": security_schemes() },
    })
}

/// Where a consumer of any language connects; a service in whose process the broker is needs no address.
fn server() -> Value {
    json!({
        "host": "{host}",
        "protocol": "solace",
        "description": "A Solace event broker (`solace.host`), or the embedded one where it listens for SMF (`smf.listen`).",
        "variables": { "host": { "default": "127.0.0.1:55555" } },
        "bindings": { "solace": { "bindingVersion": "0.4.0", "msgVpn": "default" } },
        "security": BrokerUser::ALL.map(|user| json!({ "$ref": format!("#/components/securitySchemes/{}", user.name()) })),
    })
}

/// One user per role, each with its own rights.
fn security_schemes() -> Map<String, Value> {
    let scheme = |user: BrokerUser| {
        let description = format!("User name and password of secret `{}`", user.credentials_path());
        (user.name().to_owned(), json!({ "type": "userPassword", "description": description }))
    };
    BrokerUser::ALL.map(scheme).into_iter().collect()
}

impl Channel {
    fn json(&self, prefix: &str) -> Value {
        json!({
            "address": format!("{prefix}/{}", self.address),
            "description": self.description,
            "messages": { self.message: { "$ref": format!("#/components/messages/{}", self.message) } },
            "parameters": self.parameters(),
        })
    }

    fn parameters(&self) -> Map<String, Value> {
        let names = self.address.split('/').filter_map(|level| level.strip_prefix('{')?.strip_suffix('}'));
        names.map(|name| (name.to_owned(), parameter(name))).collect()
    }

    fn message_ref(&self) -> Value {
        json!({ "$ref": format!("#/channels/{}/messages/{}", self.name, self.message) })
    }
}

fn parameter(name: &str) -> Value {
    match name {
        "method" => json!({ "enum": PaymentMethod::WORDS }),
        "status" => json!({ "enum": PaymentStatus::WORDS }),
        "store" => json!({ "description": "`STORE_<n>` without leading zeros", "examples": ["STORE_1"] }),
        "cashier" => json!({ "description": "`CASHIER_<n>` without leading zeros", "examples": ["CASHIER_2"] }),
        "total" => json!({ "description": "With two decimals", "examples": ["2.58"] }),
        "timestamp" => json!({ "description": "RFC 3339 in UTC", "examples": ["2026-01-31T12:00:00Z"] }),
        "queue" => json!({ "description": "The queue that delivered it" }),
        _ => json!({ "description": format!("The message's {}", name.replace('_', " ")) }),
    }
}

/// What this system sends, and what is received from each queue.
fn operations(prefix: &str, queues: &[QueueSpec]) -> Map<String, Value> {
    let sends = CHANNELS.iter().flat_map(|channel| {
        let publishers = BrokerUser::ALL.into_iter().filter(|user| user.publishes().contains(&channel.kind));
        publishers.map(move |user| send(user, channel))
    });
    let receives = queues.iter().flat_map(|queue| {
        let fed = CHANNELS.iter().filter(|channel| feeds(prefix, channel, queue));
        let reader = reader_of(queue, queues.len());
        fed.map(|channel| receive(queue, channel, reader)).collect::<Vec<_>>()
    });
    sends.chain(receives).collect()
}

/// The user that may consume a queue; there are fewer stores than queues.
fn reader_of(queue: &QueueSpec, queues: usize) -> Option<BrokerUser> {
    let stores = u32::try_from(queues).unwrap_or(u32::MAX);
    BrokerUser::ALL.into_iter().find(|user| user.consumes(stores).contains(&queue.name))
}

fn security(user: BrokerUser) -> Value {
    json!([{ "$ref": format!("#/components/securitySchemes/{}", user.name()) }])
}

fn send(user: BrokerUser, channel: &Channel) -> (String, Value) {
    let role = user.name();
    let operation = json!({
        "action": "send",
        "summary": format!("Role {role} publishes: {}", channel.description),
        "channel": { "$ref": format!("#/channels/{}", channel.name) },
        "messages": [channel.message_ref()],
        "security": security(user),
    });
    (format!("{role}.send.{}", channel.name), operation)
}

fn receive(queue: &QueueSpec, channel: &Channel, reader: Option<BrokerUser>) -> (String, Value) {
    let operation = json!({
        "action": "receive",
        "summary": format!("Whoever consumes queue `{}`", queue.name),
        "channel": { "$ref": format!("#/channels/{}", channel.name) },
        "messages": [channel.message_ref()],
        "security": reader.map_or_else(|| json!([]), security),
        "bindings": { "solace": {
            "bindingVersion": "0.4.0",
            "destinations": [{
                "destinationType": "queue",
                "deliveryMode": "persistent",
                "queue": {
                    "name": queue.name,
                    "accessType": "exclusive",
                    "topicSubscriptions": queue.subscriptions,
                    "maxMsgSpoolSize": (queue.quota_bytes >> 20).to_string(),
                    "maxTtl": queue.ttl.map_or_else(|| "0".to_owned(), |ttl| ttl.as_secs().to_string()),
                },
            }],
        } },
    });
    (format!("{}.receive.{}", queue.name, channel.name), operation)
}

/// A queue takes a channel when one of its subscriptions starts with the channel's fixed levels.
fn feeds(prefix: &str, channel: &Channel, queue: &QueueSpec) -> bool {
    let levels = format!("{prefix}/{}/", channel.name);
    queue.subscriptions.iter().any(|subscription| subscription.starts_with(&levels))
}

fn messages() -> Value {
    let message = |summary: &str, schema: &str, id: &str| {
        json!({
            "summary": summary,
            "contentType": "application/json",
            "description": format!("Application message id: {id}"),
            "headers": { "$ref": "#/components/schemas/UserProperties" },
            "payload": { "$ref": format!("#/components/schemas/{schema}") },
        })
    };
    json!({
        "Sale": message("A transaction as it was recorded", "Sale", "the transaction's"),
        "AggregatedEvent": message("Turnover of one window of one store", "AggregatedEvent", "`event_id`"),
        "LateSale": message("A sale whose window was final", "LateSale", "the transaction's"),
        "RejectedMessage": message("A message that could not be counted", "RejectedMessage", "`message_id`"),
    })
}

/// What a message carries beside its document.
fn user_properties() -> Value {
    json!({
        "type": "object",
        "description": "User properties: the W3C trace context of what caused the message, where that belongs to a trace. Any of them may be missing.",
        "properties": {
            "traceparent": {
                "type": "string",
                "pattern": "^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$",
                "examples": ["00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"],
            },
            "tracestate": { "type": "string", "maxLength": 512 },
            "JMSXGroupID": {
                "type": "string",
                "description": "From publishers on Solace: the store's number, the key of a partitioned queue",
            },
        },
    })
}

/// The shapes of the HTTP side, and those that only queues see.
fn schemas(http: &http::Documents) -> Value {
    let http: Value = serde_json::from_str(http.at_root()).expect("the document was written as JSON");
    let mut schemas = http["components"]["schemas"].clone();
    let time = json!({ "type": "string", "format": "date-time" });
    let uuid = json!({ "type": "string", "format": "uuid" });
    let amount = json!({ "type": "number", "description": "With two decimals" });
    let text = json!({ "type": "string" });
    schemas["Sale"] = json!({
        "allOf": [
            { "$ref": "#/components/schemas/Transaction" },
            { "type": "object", "required": ["accepted_at"], "properties": {
                "accepted_at": time,
                "corrections": corrections(&amount),
            } },
        ],
    });
    schemas["LateSale"] = object(&[
        ("transaction_id", &uuid),
        ("store_id", &text),
        ("timestamp", &time),
        ("accepted_at", &time),
        ("total_amount", &amount),
        ("window_start", &time),
        ("window_end", &time),
    ]);
    schemas["RejectedMessage"] = object(&[
        ("reason", &json!({ "enum": tillstream_domain::RejectReason::WORDS })),
        ("queue", &text),
        ("message_id", &uuid),
        ("detail", &text),
    ]);
    schemas["RejectedMessage"]["properties"]["store_id"] = text;
    schemas["RejectedMessage"]["properties"]["total_amount"] = amount;
    schemas["UserProperties"] = user_properties();
    schemas
}

/// Absent where nothing was corrected.
fn corrections(amount: &Value) -> Value {
    let field = json!({ "enum": [Correction::TOTAL, Correction::RECEIPT_TOTAL] });
    let mut list = json!({ "type": "array", "minItems": 1, "description": "What validation replaced; absent where the till was right" });
    list["items"] = object(&[("field", &field), ("sent", amount), ("recorded", amount)]);
    list
}

fn object(fields: &[(&str, &Value)]) -> Value {
    let required: Vec<_> = fields.iter().map(|(name, _)| *name).collect();
    let properties: Map<_, _> = fields.iter().map(|(name, schema)| ((*name).to_owned(), (*schema).clone())).collect();
    json!({ "type": "object", "required": required, "properties": properties })
}

#[cfg(test)]
pub(crate) mod tests {
    use tillstream_domain::{Rules, TopicPrefix};
    use tillstream_embedded::{EmbeddedBrokerSettings, embedded_queues};

    use super::*;

    fn document_for_test() -> Value {
        let prefix = TopicPrefix::default();
        document(
            prefix.as_str(),
            &embedded_queues(prefix.as_str(), 2, &EmbeddedBrokerSettings::default()),
            &http::Documents::new(&Rules::default()),
        )
    }

    /// All texts behind `$ref`, in the other document too.
    pub(crate) fn references(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                found.extend(fields.get("$ref").and_then(Value::as_str).map(str::to_owned));
                fields.values().for_each(|field| references(field, found));
            }
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            _ => {}
        }
    }

    #[test]
    fn every_reference_of_the_document_points_at_something() {
        let document = document_for_test();
        let mut found = Vec::new();
        references(&document, &mut found);
        assert!(found.len() > 20);
        for reference in found {
            let pointer = reference.strip_prefix('#').unwrap();
            assert!(document.pointer(pointer).is_some(), "{reference}");
        }
    }

    #[test]
    fn every_operation_names_the_user_that_may_do_it() {
        let document = document_for_test();
        let user_of = |operation: &str| document["operations"][operation]["security"][0]["$ref"].clone();
        let scheme = |name: &str| Value::from(format!("#/components/securitySchemes/{name}"));
        assert_eq!(user_of("validation.send.aggregations"), scheme("validation"));
        assert_eq!(user_of("reporting.send.rejected"), scheme("reporting"));
        assert_eq!(user_of("sale_pos_transaction_aggregation_service.receive.receipt"), scheme("aggregation"));
        assert_eq!(user_of("sale_pos_transaction_aggregations_store2.q.receive.aggregations"), scheme("store"));
        assert_eq!(user_of("sale_pos_transaction_rejected.q.receive.rejected"), scheme("operator"));
        assert!(document["operations"].get("aggregation.send.aggregations").is_none(), "it hands over");
    }

    #[test]
    fn every_message_may_say_its_trace() {
        let document = document_for_test();
        let messages = document["components"]["messages"].as_object().unwrap();
        let names: std::collections::BTreeSet<_> = CHANNELS.iter().map(|channel| channel.message).collect();
        assert!(messages.keys().eq(names));
        for (name, message) in messages {
            let headers =
                message["headers"]["$ref"].as_str().and_then(|path| document.pointer(path.strip_prefix('#')?));
            let properties = headers.and_then(|headers| headers["properties"].as_object());
            let properties = properties.unwrap_or_else(|| panic!("{name} says no user properties"));
            assert!(["traceparent", "tracestate"].iter().all(|key| properties.contains_key(*key)), "{name}");
        }
    }

    #[test]
    fn every_queue_with_a_subscription_is_received_from() {
        let document = document_for_test();
        let operations = document["operations"].as_object().unwrap();
        for queue in ["sale_pos_transaction_aggregation_service", "sale_pos_transaction_ledger.q"] {
            assert!(operations.contains_key(&format!("{queue}.receive.receipt")));
        }
        for channel in ["aggregations", "late", "failed"] {
            assert!(operations.contains_key(&format!("sale_pos_transaction_reporting.q.receive.{channel}")));
        }
        assert!(operations.contains_key("sale_pos_transaction_aggregations_store2.q.receive.aggregations"));
    }
}
