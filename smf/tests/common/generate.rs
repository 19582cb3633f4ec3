//! Strategies for every frame that either side may send.
//! Makes only what the types allow and real peers could mean: names lie in their topics, ranges are in order.

use std::borrow::Cow;

use bytes::Bytes;
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;
use tillstream_smf::*;

pub fn requests() -> impl Strategy<Value = Request> {
    (of(correlations()), request_bodies()).prop_map(|(correlation, body)| Request { correlation, body })
}

pub fn replies() -> impl Strategy<Value = Reply> {
    let answers = (of(correlations()), responses(), answer_bodies());
    prop_oneof![
        6 => answers.prop_map(|(correlation, response, body)| Reply::answer(correlation, response, body)),
        1 => flow_changes().prop_map(Reply::FlowChange),
        1 => Just(Reply::KeepAlive(KeepAlive::V1)),
        1 => Just(Reply::KeepAlive(KeepAlive::V2)),
        3 => (contents(), of(delivery_ids()))
            .prop_map(|(content, guaranteed)| Reply::Deliver(Delivered { content, guaranteed })),
    ]
}

fn request_bodies() -> impl Strategy<Value = RequestBody> {
    prop_oneof![
        logins().prop_map(RequestBody::Login),
        updates().prop_map(RequestBody::Update),
        open_pub_flows().prop_map(RequestBody::OpenPubFlow),
        any::<u32>().prop_map(|flow_id| RequestBody::ClosePubFlow { flow_id }),
        (contents(), of(publish_ids()))
            .prop_map(|(content, guaranteed)| RequestBody::Publish(Published { content, guaranteed })),
        binds().prop_map(RequestBody::Bind),
        any::<u32>().prop_map(|flow_id| RequestBody::Unbind { flow_id }),
        flow_acks().prop_map(RequestBody::FlowAck),
        flow_changes().prop_map(RequestBody::FlowChangeSeen),
        subscriptions().prop_map(RequestBody::Subscription),
        select(vec![KeepAlive::V1, KeepAlive::V2]).prop_map(RequestBody::KeepAlive),
    ]
}

fn answer_bodies() -> impl Strategy<Value = AnswerBody> {
    prop_oneof![
        login_answers().prop_map(AnswerBody::Login),
        Just(AnswerBody::Update),
        of(pub_flows()).prop_map(AnswerBody::OpenPubFlow),
        any::<u32>().prop_map(|flow_id| AnswerBody::ClosePubFlow { flow_id }),
        (any::<u32>(), any::<u64>(), of(windows())).prop_map(|(flow_id, last_acked, window)| {
            AnswerBody::PublishAck(PublishAck { flow_id, last_acked, window })
        }),
        of(bounds()).prop_map(AnswerBody::Bind),
        any::<u32>().prop_map(|flow_id| AnswerBody::Unbind { flow_id }),
        of(subscriptions()).prop_map(AnswerBody::Subscription),
        (select(vec![0x00, 0x10, 0x3f]), bytes(0..50))
            .prop_map(|(protocol, payload)| AnswerBody::Other { protocol, payload }),
    ]
}

fn correlations() -> impl Strategy<Value = CorrelationTag> {
    any::<[u8; 3]>().prop_map(CorrelationTag)
}

/// Short and beyond what one length byte can say.
fn responses() -> impl Strategy<Value = Response> {
    (any::<u32>(), prop_oneof![texts(), "[a-z]{240,300}"])
        .prop_map(|(code, text)| Response { code, text: Cow::Owned(text) })
}

fn texts() -> impl Strategy<Value = String> {
    prop_oneof!["[^\\x00]{0,12}", "[a-z#*/>]{0,40}", Just("x".repeat(252))]
}

fn bytes(length: std::ops::Range<usize>) -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), length).prop_map(Bytes::from)
}

/// What fits one byte and what does not.
fn windows() -> impl Strategy<Value = u32> {
    prop_oneof![0..=255_u32, any::<u32>()]
}

fn logins() -> impl Strategy<Value = Login> {
    let about = (of(texts()), of(texts()), of(texts()), of(texts()), of(texts()));
    let who = (of(texts()), of(texts()), of(auth_schemes()), of(texts()), of(texts()));
    let how = (of(any::<bool>()), of(client_capabilities()), of(any::<u32>()));
    (about, who, how).prop_map(|(about, who, how)| Login {
        username: who.0,
        password: who.1.map(Into::into),
        auth_scheme: who.2,
        client_name: who.3,
        message_vpn: who.4,
        software_version: about.0,
        software_date: about.1,
        platform: about.2,
        user_id: about.3,
        description: about.4,
        no_local: how.0,
        capabilities: how.1,
        keep_alive_seconds: how.2,
    })
}

fn auth_schemes() -> impl Strategy<Value = AuthScheme> {
    select(vec![AuthScheme::ClientCertificate, AuthScheme::OAuth, AuthScheme::Other(0x77)])
}

fn client_capabilities() -> impl Strategy<Value = ClientCapabilities> {
    any::<[bool; 3]>().prop_map(|[unbind_ack, bind_error_ids, partitioned_queues]| ClientCapabilities {
        unbind_ack,
        bind_error_ids,
        partitioned_queues,
    })
}

fn updates() -> impl Strategy<Value = Update> {
    (of(texts()), of(texts())).prop_map(|(client_name, description)| Update { client_name, description })
}

fn login_answers() -> impl Strategy<Value = LoginAnswer> {
    let texts_of_four = || (of(texts()), of(texts()), of(texts()), of(texts()));
    (texts_of_four(), texts_of_four(), of(capabilities())).prop_map(|(one, other, capabilities)| LoginAnswer {
        software_version: one.0,
        software_date: one.1,
        platform: one.2,
        client_name: one.3,
        message_vpn: other.0,
        p2p_topic: other.1,
        virtual_router: other.2,
        router_name: other.3,
        capabilities,
    })
}

fn capabilities() -> impl Strategy<Value = Capabilities> {
    use Capability::*;
    let flags = proptest::sample::subsequence(
        vec![Jndi, GuaranteedConsume, GuaranteedPublish, ActiveFlowIndication, VarLenExtendedParameters],
        0..=5,
    );
    (flags, of(any::<u32>()), of(any::<u8>()), of(any::<u32>()), of(any::<u32>())).prop_map(
        |(flags, port_speed, port_type, guaranteed, direct)| Capabilities {
            flags: CapabilitySet::of(&flags),
            port_speed,
            port_type,
            max_guaranteed: guaranteed,
            max_direct: direct,
        },
    )
}

fn open_pub_flows() -> impl Strategy<Value = OpenPubFlow> {
    let version = select(vec![AdCtrlVersion::V2, AdCtrlVersion::V3]);
    (version, any::<u64>(), any::<u64>(), of(windows()), texts()).prop_map(
        |(version, last_acked, last_sent, window, flow_name)| OpenPubFlow {
            version,
            last_acked,
            last_sent,
            window,
            flow_name,
        },
    )
}

fn pub_flows() -> impl Strategy<Value = PubFlow> {
    (any::<u32>(), any::<u64>(), of(windows()), of(texts()), of(any::<u32>())).prop_map(
        |(flow_id, last_acked, window, flow_name, publisher_id)| PubFlow {
            flow_id,
            last_acked,
            window,
            flow_name,
            publisher_id,
        },
    )
}

fn binds() -> impl Strategy<Value = Bind> {
    let flow_type = select(vec![FlowType::Consumer, FlowType::Browser, FlowType::Settling]);
    let names = (of(texts()), of(texts()), of(texts()), of(texts()));
    let rest = (of(windows()), of(any::<bool>()), of(any::<u64>()), of(any::<bool>()), of(flow_type), any::<bool>());
    (names, rest).prop_map(|(names, rest)| Bind {
        queue: names.0,
        topic_endpoint: names.1,
        topic: names.2,
        selector: names.3,
        window: rest.0,
        durable: rest.1,
        last_received: rest.2,
        wants_flow_changes: rest.3,
        flow_type: rest.4,
        no_local: rest.5,
    })
}

fn bounds() -> impl Strategy<Value = Bound> {
    use Permission::*;
    let permissions = || of(select(vec![None, ReadOnly, Consume, ModifyTopic, Delete]));
    let access = of(select(vec![Access::Exclusive, Access::NonExclusive]));
    let flow = (any::<u32>(), of(texts()), of(any::<u64>()), of(windows()), access, of(any::<bool>()));
    let queue = (permissions(), permissions(), of(any::<u32>()), of(any::<u32>()), of(any::<bool>()));
    let rest = (of(any::<bool>()), of(any::<bool>()), of(any::<u32>()), of(any::<u8>()), of(any::<u32>()));
    (flow, queue, rest).prop_map(|(flow, queue, rest)| Bound {
        flow_id: flow.0,
        queue: flow.1,
        last_acked: flow.2,
        window: flow.3,
        access: flow.4,
        durable: flow.5,
        granted: queue.0,
        others: queue.1,
        quota_mb: queue.2,
        max_message_size: queue.3,
        respects_ttl: queue.4,
        active: rest.0,
        flow_changes: rest.1,
        max_unacked: rest.2,
        max_redelivery: rest.3,
        endpoint_id: rest.4,
    })
}

fn flow_acks() -> impl Strategy<Value = FlowAck> {
    (any::<u32>(), of(any::<u64>()), of(windows()), vec(settlements(), 0..70))
        .prop_map(|(flow_id, received, window, settled)| FlowAck { flow_id, received, window, settled })
}

fn settlements() -> impl Strategy<Value = Settlement> {
    let outcome = select(vec![Outcome::Accepted, Outcome::Failed, Outcome::Rejected]);
    (any::<u64>(), any::<u64>(), outcome).prop_map(|(one, other, outcome)| Settlement {
        first: one.min(other),
        last: one.max(other),
        outcome,
    })
}

fn flow_changes() -> impl Strategy<Value = FlowChange> {
    (any::<u32>(), any::<bool>()).prop_map(|(flow_id, active)| FlowChange { flow_id, active })
}

fn subscriptions() -> impl Strategy<Value = Subscription> {
    (select(vec![Action::Add, Action::Remove]), any::<u8>(), texts()).prop_map(|(action, flags, topic)| Subscription {
        action,
        flags: SubscriptionFlags(flags),
        topic,
    })
}

fn contents() -> impl Strategy<Value = Content> {
    let mode = select(vec![DeliveryMode::NonPersistent, DeliveryMode::Persistent, DeliveryMode::Direct]);
    let named = prop_oneof!["[a-z/#0-9]{1,40}", "[a-z]{249,260}"].prop_flat_map(|topic| {
        let length = topic.len().min(255);
        (Just(topic), of(names(length)))
    });
    let small = (any::<[bool; 4]>(), 0..16_u8, of(any::<u8>()), of(mode), of(any::<u64>()));
    let opaque = (of(bytes(0..300)), of(bytes(0..10)), of(extended()), bytes(0..500));
    (named, small, opaque).prop_map(|(named, small, opaque)| Content {
        topic: named.0.into(),
        name_at: named.1,
        flags: flags(small.0),
        class_of_service: small.1,
        priority: small.2,
        delivery_mode: small.3,
        time_to_live_ms: small.4,
        user_data: opaque.0,
        content_summary: opaque.1,
        extended: opaque.2,
        payload: opaque.3,
    })
}

fn flags([discard_indication, eliding_eligible, deliver_to_one, dmq_eligible]: [bool; 4]) -> MessageFlags {
    MessageFlags { discard_indication, eliding_eligible, deliver_to_one, dmq_eligible }
}

/// Somewhere in a topic of that many bytes.
fn names(topic: usize) -> impl Strategy<Value = NameAt> {
    (select(vec![NameKind::Topic, NameKind::Queue]), 0..=topic, 0..=topic).prop_map(|(kind, one, other)| NameAt {
        kind,
        offset: one.min(other) as u8,
        length: one.abs_diff(other) as u8,
    })
}

/// A trace context of some length, an id, a flag without a value.
fn extended() -> impl Strategy<Value = Bytes> {
    (vec(any::<u8>(), 0..40), any::<[u8; 8]>()).prop_map(|(trace, id)| {
        let mut stream = vec![0x50, 0x36, trace.len() as u8 + 3];
        stream.extend(trace);
        stream.extend([0x40, 0x29]);
        stream.extend(id);
        stream.extend([0x00, 0x2c]);
        stream.into()
    })
}

fn publish_ids() -> impl Strategy<Value = PublishIds> {
    (any::<u32>(), of(any::<u32>()), any::<u64>(), any::<u64>(), any::<[bool; 2]>()).prop_map(
        |(flow_id, publisher_id, message_id, previous_id, [redelivered, ack_immediately])| PublishIds {
            flow_id,
            publisher_id,
            message_id,
            previous_id,
            redelivered,
            ack_immediately,
        },
    )
}

fn delivery_ids() -> impl Strategy<Value = DeliveryIds> {
    (any::<u32>(), any::<u64>(), any::<u64>(), any::<bool>()).prop_map(
        |(flow_id, message_id, previous_id, redelivered)| DeliveryIds { flow_id, message_id, previous_id, redelivered },
    )
}
