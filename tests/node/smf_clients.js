// What the official JavaScript client, on Node and over plain TCP, sees of the broker's SMF listener.
// Reads one JSON object from standard input, as its Python sister does. Judges guaranteed messaging only.
"use strict";

const assert = require("node:assert/strict");
const { randomUUID } = require("node:crypto");
const { readFileSync } = require("node:fs");
const solace = require("solclientjs");
const { runAll, within } = require("./checks.js");

const GIVEN = JSON.parse(readFileSync(0, "utf8"));

// Milliseconds: an event that should come is there at once, and one that should not come has had its time.
const SOON = 10_000;
const NOT_COMING = 1_500;

const factory = new solace.SolclientFactoryProperties();
factory.profile = solace.SolclientFactoryProfiles.version10_5;
solace.SolclientFactory.init(factory);
solace.SolclientFactory.setLogLevel(solace.LogLevel.FATAL);

const { SessionEventCode: Session, MessageConsumerEventName: Consumer, ErrorSubcode: Subcode } = solace;

/** Every session that is not closed; a check that failed leaves some, and the next one must find free queues. */
const open = new Set();

/** A session that is logged in, or the event that refused it. */
async function connected(user, password) {
  const [name, secret] = GIVEN.users[user] ?? [user, "anything"];
  const session = solace.SolclientFactory.createSession({
    url: GIVEN.host,
    vpnName: GIVEN.vpn,
    userName: name,
    password: password ?? secret,
    connectRetries: 0,
    reconnectRetries: 0,
    publisherProperties: { enabled: true, acknowledgeMode: solace.MessagePublisherAcknowledgeMode.PER_MESSAGE },
  });
  const up = new Promise((resolve, reject) => {
    session.on(Session.UP_NOTICE, resolve);
    session.on(Session.CONNECT_FAILED_ERROR, reject);
  });
  open.add(session);
  session.connect();
  await within(SOON, `the login of ${user}`, up);
  return session;
}

/** Ends a session and waits for its end. */
async function left(session) {
  const down = new Promise((resolve) => session.on(Session.DISCONNECTED, resolve));
  session.disconnect();
  await within(SOON, "the logout", down);
  forget(session);
}

function forget(session) {
  open.delete(session);
  session.dispose();
}

/** The refusal with which the promise must end. */
async function refusal(promise) {
  let ended;
  try {
    ended = await promise;
  } catch (error) {
    return error;
  }
  throw new Error(`not refused: ${ended}`);
}

function topicOf(name) {
  return solace.SolclientFactory.createTopicDestination(name);
}

/** A topic that only the store's own queue and reporting's take. */
function aggregationTopic() {
  return topicOf(`${GIVEN.prefix}/aggregations/${GIVEN.store}/${randomUUID()}/1.00`);
}

/** Sends persistent messages and resolves with the verdict on each, in order of their coming. */
function sent(session, messages) {
  const verdicts = new Promise((resolve) => {
    const seen = [];
    const take = (word) => (event) => {
      seen.push([event.correlationKey, word, event.errorSubcode ?? 0]);
      if (seen.length === messages.length) resolve(seen);
    };
    session.removeAllListeners(Session.ACKNOWLEDGED_MESSAGE);
    session.removeAllListeners(Session.REJECTED_MESSAGE_ERROR);
    session.on(Session.ACKNOWLEDGED_MESSAGE, take("acknowledged"));
    session.on(Session.REJECTED_MESSAGE_ERROR, take("rejected"));
  });
  session.on(Session.CAN_ACCEPT_DATA, () => flush());
  const waiting = messages.map(([key, destination, text]) => persistent(key, destination, text));
  // The library refuses a message when its window is full, and says when there is room again.
  const flush = () => {
    while (waiting.length > 0) {
      try {
        session.send(waiting[0]);
      } catch (error) {
        if (error.subcode === Subcode.INSUFFICIENT_SPACE) return;
        throw error;
      }
      waiting.shift();
    }
  };
  flush();
  return within(30_000, `the verdicts on ${messages.length} messages`, verdicts);
}

function persistent(key, destination, text) {
  const message = solace.SolclientFactory.createMessage();
  message.setDestination(destination);
  message.setDeliveryMode(solace.MessageDeliveryModeType.PERSISTENT);
  message.setBinaryAttachment(Buffer.from(text));
  message.setCorrelationKey(key);
  message.setApplicationMessageId(`id-${key}`);
  const properties = new solace.SDTMapContainer();
  properties.addField("till", solace.SDTField.create(solace.SDTFieldType.STRING, "7"));
  message.setUserPropertyMap(properties);
  return message;
}

/** A consumer of a durable queue that acknowledges only what it is told to; its messages wait in `inbox`. */
async function consuming(session, queue, more = {}) {
  const consumer = session.createMessageConsumer({
    queueDescriptor: { name: queue, type: solace.QueueType.QUEUE },
    acknowledgeMode: solace.MessageConsumerAcknowledgeMode.CLIENT,
    ...more,
  });
  consumer.inbox = [];
  consumer.on(Consumer.MESSAGE, (message) => consumer.inbox.push(message));
  const up = new Promise((resolve, reject) => {
    consumer.on(Consumer.UP, resolve);
    consumer.on(Consumer.CONNECT_FAILED_ERROR, reject);
  });
  consumer.connect();
  await within(SOON, `the bind to ${queue}`, up);
  return consumer;
}

async function stopped(consumer) {
  const down = new Promise((resolve) => consumer.on(Consumer.DOWN, resolve));
  consumer.disconnect();
  await within(SOON, "the unbind", down);
}

const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** So many messages, or an error that says what came. */
async function received(consumer, count) {
  const deadline = Date.now() + SOON;
  while (consumer.inbox.length < count) {
    assert.ok(Date.now() < deadline, `only ${consumer.inbox.length} of ${count} messages came`);
    await pause(10);
  }
  return consumer.inbox.splice(0, count);
}

const textOf = (message) => Buffer.from(message.getBinaryAttachment()).toString("utf8");

/** Takes what earlier checks left in the store's queue. */
async function drained() {
  const session = await connected("store");
  const consumer = await consuming(session, GIVEN.store_queue);
  do {
    consumer.inbox.splice(0).forEach((message) => message.acknowledge());
    await pause(500);
  } while (consumer.inbox.length > 0);
  await stopped(consumer);
  await left(session);
}

/** Puts these into the store's queue, in order, each acknowledged by the broker. */
async function published(...texts) {
  await drained();
  const session = await connected("validation");
  const verdicts = await sent(session, texts.map((text) => [text, aggregationTopic(), text]));
  assert.deepEqual(verdicts, texts.map((text) => [text, "acknowledged", 0]));
  await left(session);
}

async function every_user_of_the_tree_logs_in() {
  for (const user of Object.keys(GIVEN.users)) await left(await connected(user));
}

async function a_wrong_password_and_an_unknown_user_are_refused() {
  for (const [user, password] of [["store", "wrong"], ["nobody", undefined]]) {
    const event = await refusal(connected(user, password));
    assert.equal(event.errorSubcode, Subcode.LOGIN_FAILURE, `${event.infoStr}`);
  }
}

async function every_message_of_several_windows_gets_its_own_acknowledgement_in_order() {
  const session = await connected("validation");
  const numbers = Array.from({ length: 500 }, (_, number) => `${number}`);
  const verdicts = await sent(session, numbers.map((number) => [number, aggregationTopic(), `sale ${number}`]));
  assert.deepEqual(verdicts, numbers.map((number) => [number, "acknowledged", 0]));
  await left(session);
  await drained();
}

async function a_message_comes_back_as_it_was_sent() {
  await drained();
  const [text, topic] = ["x".repeat(200_000) + "ü", aggregationTopic()];
  const publisher = await connected("validation");
  await sent(publisher, [["1", topic, text]]);
  await left(publisher);
  const session = await connected("store");
  const consumer = await consuming(session, GIVEN.store_queue);
  const [message] = await received(consumer, 1);
  assert.ok(textOf(message) === text, "another payload");
  assert.equal(message.getDestination().getName(), topic.getName());
  assert.equal(message.getApplicationMessageId(), "id-1");
  assert.equal(message.getUserPropertyMap().getField("till").getValue(), "7");
  assert.equal(message.isRedelivered(), false);
  message.acknowledge();
  await stopped(consumer);
  await left(session);
}

async function what_a_consumer_leaves_unacknowledged_comes_again_and_nothing_else() {
  await published("one", "two", "three", "four");
  const first = await connected("store");
  const consumer = await consuming(first, GIVEN.store_queue);
  const messages = await received(consumer, 4);
  assert.deepEqual(messages.map(textOf), ["one", "two", "three", "four"]);
  messages[3].acknowledge();
  messages[0].acknowledge();
  await stopped(consumer);
  await left(first);
  const second = await connected("store");
  const again = await consuming(second, GIVEN.store_queue);
  const rest = await received(again, 2);
  assert.deepEqual(rest.map(textOf), ["two", "three"]);
  assert.ok(rest.every((message) => message.isRedelivered()));
  await pause(NOT_COMING);
  assert.equal(again.inbox.length, 0);
  rest.forEach((message) => message.acknowledge());
  await stopped(again);
  await left(second);
}

async function a_failed_message_comes_again_and_a_rejected_one_does_not() {
  await published("good", "failed", "rejected");
  const session = await connected("store");
  const { FAILED, REJECTED } = solace.MessageOutcome;
  const consumer = await consuming(session, GIVEN.store_queue, { requiredSettlementOutcomes: [FAILED, REJECTED] });
  const [good, failed, rejected] = await received(consumer, 3);
  good.acknowledge();
  rejected.settle(REJECTED);
  failed.settle(FAILED);
  const [again] = await received(consumer, 1);
  assert.equal(textOf(again), "failed");
  assert.ok(again.isRedelivered());
  again.acknowledge();
  await pause(NOT_COMING);
  assert.equal(consumer.inbox.length, 0);
  await stopped(consumer);
  await left(session);
}

async function a_second_consumer_waits_in_line_and_takes_over() {
  await published("first");
  const [holder, heir] = [await connected("store"), await connected("store")];
  const holding = await consuming(holder, GIVEN.store_queue, { activeIndicationEnabled: true });
  await received(holding, 1);
  const waiting = await consuming(heir, GIVEN.store_queue, { activeIndicationEnabled: true });
  const active = new Promise((resolve) => waiting.on(Consumer.ACTIVE, resolve));
  await pause(NOT_COMING);
  assert.equal(waiting.inbox.length, 0, "two consumers of an exclusive queue at once");
  await stopped(holding);
  await within(SOON, "the heir's turn", active);
  const [again] = await received(waiting, 1);
  assert.equal(textOf(again), "first");
  again.acknowledge();
  await stopped(waiting);
  await left(holder);
  await left(heir);
}

async function an_unknown_queue_and_a_queue_of_others_are_refused() {
  const session = await connected("store");
  const unknown = await refusal(consuming(session, "no_such_queue"));
  assert.equal(unknown.subcode, Subcode.UNKNOWN_QUEUE_NAME, unknown.message);
  const foreign = await refusal(consuming(session, GIVEN.foreign_queue));
  assert.equal(foreign.subcode, Subcode.PERMISSION_NOT_ALLOWED, foreign.message);
  await left(session);
}

async function a_topic_of_others_is_refused_and_the_next_message_is_judged_by_itself() {
  const session = await connected("validation");
  const foreign = topicOf(GIVEN.foreign_topic);
  const verdicts = await sent(session, [["a", foreign, "x"], ["b", aggregationTopic(), "x"], ["c", foreign, "x"]]);
  const denied = Subcode.PUBLISH_ACL_DENIED;
  assert.deepEqual(verdicts, [["a", "rejected", denied], ["b", "acknowledged", 0], ["c", "rejected", denied]]);
  await left(session);
  await drained();
}

async function a_message_that_no_queue_takes_is_refused_and_not_swallowed() {
  const session = await connected("validation");
  const [verdict] = await sent(session, [["a", topicOf(GIVEN.unmatched_topic), "x"]]);
  assert.deepEqual(verdict, ["a", "rejected", Subcode.NO_SUBSCRIPTION_MATCH]);
  await left(session);
}

async function a_direct_message_passes_to_a_subscriber_that_asked_for_its_topic() {
  const [store, publisher] = [await connected("store"), await connected("validation")];
  const subscribed = new Promise((resolve, reject) => {
    store.on(Session.SUBSCRIPTION_OK, resolve);
    store.on(Session.SUBSCRIPTION_ERROR, reject);
  });
  store.subscribe(topicOf(`${GIVEN.prefix}/aggregations/*/>`), true, "subscription", SOON);
  await within(SOON, "the subscription", subscribed);
  const came = new Promise((resolve) => store.on(Session.MESSAGE, resolve));
  const message = persistent("direct", aggregationTopic(), "direct");
  message.setDeliveryMode(solace.MessageDeliveryModeType.DIRECT);
  publisher.send(message);
  const received = await within(SOON, "the direct message", came);
  assert.equal(textOf(received), "direct");
  assert.equal(received.getDestination().getName(), message.getDestination().getName());
  await left(publisher);
  await left(store);
  await drained();
}

/** What the service shows of this store as final, by start of the window. */
async function turnoverRows() {
  const credentials = Buffer.from(GIVEN.turnover_user.join(":")).toString("base64");
  const headers = { authorization: `Basic ${credentials}` };
  const answer = await fetch(`${GIVEN.turnover_url}?store_id=${GIVEN.store}`, { headers });
  assert.equal(answer.status, 200);
  const rows = await answer.json();
  return new Map(rows.filter((row) => row.final).map((row) => [row.window_start, row]));
}

async function a_store_reads_its_own_aggregates_while_sales_run_and_they_are_the_turnover() {
  const finals = new Map();
  const session = await connected("store");
  const consumer = await consuming(session, GIVEN.store_queue);
  while (finals.size < 5) {
    const [message] = await received(consumer, 1);
    const event = JSON.parse(textOf(message));
    assert.equal(event.store_id, GIVEN.store);
    if (event.final) finals.set(event.window_start, event);
    message.acknowledge();
  }
  await stopped(consumer);
  await left(session);
  let rows = await turnoverRows();
  // The service reads a queue of its own; the deadline of the check ends this.
  while (![...finals.keys()].every((start) => rows.has(start))) {
    await pause(100);
    rows = await turnoverRows();
  }
  for (const [start, event] of finals) {
    assert.ok(event.transaction_count > 0);
    for (const key of ["total_amount", "transaction_count", "event_id", "final", "currency"]) {
      assert.equal(rows.get(start)[key], event[key], `${key} of the window that starts at ${start}`);
    }
  }
}

const BROKER = [
  every_user_of_the_tree_logs_in,
  a_wrong_password_and_an_unknown_user_are_refused,
  every_message_of_several_windows_gets_its_own_acknowledgement_in_order,
  a_message_comes_back_as_it_was_sent,
  what_a_consumer_leaves_unacknowledged_comes_again_and_nothing_else,
  a_failed_message_comes_again_and_a_rejected_one_does_not,
  a_second_consumer_waits_in_line_and_takes_over,
  an_unknown_queue_and_a_queue_of_others_are_refused,
  a_topic_of_others_is_refused_and_the_next_message_is_judged_by_itself,
  a_message_that_no_queue_takes_is_refused_and_not_swallowed,
  a_direct_message_passes_to_a_subscriber_that_asked_for_its_topic,
];
const SERVICE = [a_store_reads_its_own_aggregates_while_sales_run_and_they_are_the_turnover];

runAll({ broker: BROKER, service: SERVICE }[GIVEN.checks], () => open.forEach(forget));
