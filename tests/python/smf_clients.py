"""What the official Python client sees of the broker's SMF listener.

Reads one JSON object from standard input: where the listener is, who may log in, which store's queue is its own, and
which checks are wanted: those of the broker alone, or those that need a service with sales.
Judges guaranteed messaging only; what the service makes of messages is the business of the end-to-end tests.
"""

import base64
import json
import logging
import re
import sys
import threading
import time
import urllib.request
import uuid
from decimal import Decimal

from solace.messaging.config.message_acknowledgement_configuration import Outcome
from solace.messaging.config.receiver_activation_passivation_configuration import (
    ReceiverState,
    ReceiverStateChangeListener,
)
from solace.messaging.errors.pubsubplus_client_error import AuthenticationError, PubSubPlusClientError
from solace.messaging.messaging_service import MessagingService, RetryStrategy
from solace.messaging.publisher.persistent_message_publisher import MessagePublishReceiptListener
from solace.messaging.resources.queue import Queue
from solace.messaging.resources.topic import Topic
from solace.messaging.resources.topic_subscription import TopicSubscription

from checks import Checks

# The refusals below are wanted; the client library would shout each of them.
logging.disable(logging.CRITICAL)

GIVEN = json.load(sys.stdin)

# Subcodes of the client library.
UNKNOWN_QUEUE = 61
PUBLISH_DENIED = 69
NOT_PERMITTED = 76
NOBODY_SUBSCRIBED = 130

# Milliseconds: a message that is there comes at once, and one that should not come has had its time.
SOON, NOT_COMING = 10_000, 1_500

# The broker looks into two of them, and still gives all of them back.
PROPERTIES = {
    "till": "7",
    "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    "tracestate": "rojo=1,congo=t61",
}


class Client:
    """One logged-in connection, closed at the end of its `with`."""

    def __init__(self, user, password=None):
        name, secret = GIVEN["users"][user]
        properties = {
            "solace.messaging.transport.host": GIVEN["host"],
            "solace.messaging.service.vpn-name": GIVEN["vpn"],
            "solace.messaging.authentication.scheme.basic.username": name,
            "solace.messaging.authentication.scheme.basic.password": secret if password is None else password,
        }
        builder = MessagingService.builder().from_properties(properties)
        self.service = builder.with_reconnection_retry_strategy(RetryStrategy.never_retry()).build()

    def __enter__(self):
        self.service.connect()
        return self

    def __exit__(self, *_):
        self.service.disconnect()

    def publisher(self):
        """A publisher of persistent messages."""
        return self.service.create_persistent_message_publisher_builder().build().start()

    def message(self, text, **properties):
        """A message with user properties."""
        builder = self.service.message_builder()
        for key, value in properties.items():
            builder = builder.with_property(key, value)
        return builder.build(text)

    def receiver(self, queue, outcomes=(), states=None):
        """A started receiver of a durable queue that acknowledges only what it is told to."""
        builder = self.service.create_persistent_message_receiver_builder().with_message_client_acknowledgement()
        if outcomes:
            builder = builder.with_required_message_outcome_support(*outcomes)
        if states is not None:
            builder = builder.with_activation_passivation_support(states)
        return builder.build(Queue.durable_exclusive_queue(queue)).start()


def aggregation_topic():
    """A topic that only the store's own queue and reporting's take."""
    return Topic.of("%s/aggregations/%s/%s/1.00" % (GIVEN["prefix"], GIVEN["store"], uuid.uuid4()))


def drained():
    """Takes what earlier checks left in the store's queue."""
    with Client("store") as store:
        receiver = store.receiver(GIVEN["store_queue"])
        while (message := receiver.receive_message(500)) is not None:
            receiver.ack(message)
        receiver.terminate()


def published(*texts):
    """Puts these into the store's queue, in order, each acknowledged by the broker."""
    drained()
    with Client("validation") as client:
        publisher = client.publisher()
        for text in texts:
            publisher.publish_await_acknowledgement(client.message(text), aggregation_topic(), SOON)
        publisher.terminate()


def received(receiver, count, timeout=SOON):
    """So many messages, or an error that says what came."""
    messages = []
    for _ in range(count):
        message = receiver.receive_message(timeout)
        assert message is not None, "only %d of %d messages came" % (len(messages), count)
        messages.append(message)
    return messages


def texts_of(messages):
    """Their payloads."""
    return [message.get_payload_as_string() for message in messages]


def subcode_of(error):
    """The client library's subcode; some of its errors carry it only in their text."""
    in_text = re.search(r"error_info_sub_code': (\d+)", str(error))
    return error.sub_code if error.sub_code is not None else int(in_text[1]) if in_text else None


def refused_with(subcode, call):
    """The call must fail with this subcode."""
    try:
        call()
    except PubSubPlusClientError as error:
        assert subcode_of(error) == subcode, "refused otherwise than by %d: %s" % (subcode, error)
        return
    raise AssertionError("not refused")


def every_user_of_the_tree_logs_in():
    for user in GIVEN["users"]:
        with Client(user) as client:
            assert client.service.is_connected, user


def a_wrong_password_and_an_unknown_user_are_refused():
    GIVEN["users"]["nobody"] = ["nobody", "anything"]
    try:
        for user, password in (("store", "wrong"), ("store", ""), ("nobody", None)):
            try:
                Client(user, password).__enter__()
            except AuthenticationError:
                continue
            raise AssertionError("%s logged in" % user)
    finally:
        del GIVEN["users"]["nobody"]


class Receipts(MessagePublishReceiptListener):
    """Receipts in the order in which they came."""

    def __init__(self, expected):
        self.receipts = []
        self.expected = expected
        self.complete = threading.Event()

    def on_publish_receipt(self, publish_receipt):
        self.receipts.append((publish_receipt.user_context, publish_receipt.is_persisted, publish_receipt.exception))
        if len(self.receipts) == self.expected:
            self.complete.set()


def every_message_of_several_windows_gets_its_own_receipt_in_order():
    with Client("validation") as client:
        publisher, receipts = client.publisher(), Receipts(500)
        publisher.set_message_publish_receipt_listener(receipts)
        for number in range(500):
            publisher.publish(client.message("receipt %d" % number), aggregation_topic(), user_context=number)
        assert receipts.complete.wait(30), "%d receipts of 500" % len(receipts.receipts)
        publisher.terminate()
    assert receipts.receipts == [(number, True, None) for number in range(500)], receipts.receipts
    drained()


def a_message_comes_back_as_it_was_sent():
    drained()
    payload, topic = "x" * 200_000 + "ü", aggregation_topic()
    with Client("validation") as client:
        publisher = client.publisher()
        builder = client.service.message_builder().with_application_message_id("id-1")
        for key, value in PROPERTIES.items():
            builder = builder.with_property(key, value)
        builder = builder.with_application_message_type("aggregation").with_priority(5)
        publisher.publish_await_acknowledgement(builder.build(payload), topic, SOON)
        publisher.terminate()
    with Client("store") as store:
        receiver = store.receiver(GIVEN["store_queue"])
        (message,) = received(receiver, 1)
        assert message.get_payload_as_string() == payload
        assert message.get_destination_name() == topic.get_name()
        assert message.get_application_message_id() == "id-1"
        assert message.get_application_message_type() == "aggregation"
        assert message.get_priority() == 5, message.get_priority()
        assert message.get_properties() == PROPERTIES, message.get_properties()
        assert not message.is_redelivered()
        receiver.ack(message)
        receiver.terminate()


def what_a_receiver_leaves_unacknowledged_comes_again_and_nothing_else():
    published("one", "two", "three", "four")
    with Client("store") as store:
        receiver = store.receiver(GIVEN["store_queue"])
        first = received(receiver, 4)
        assert texts_of(first) == ["one", "two", "three", "four"]
        receiver.ack(first[3])
        receiver.ack(first[0])
        receiver.terminate()
    with Client("store") as store:
        receiver = store.receiver(GIVEN["store_queue"])
        again = received(receiver, 2)
        assert texts_of(again) == ["two", "three"], texts_of(again)
        assert all(message.is_redelivered() for message in again)
        assert receiver.receive_message(NOT_COMING) is None
        for message in again:
            receiver.ack(message)
        receiver.terminate()


def a_failed_message_comes_again_and_a_rejected_one_does_not():
    published("good", "failed", "rejected")
    with Client("store") as store:
        receiver = store.receiver(GIVEN["store_queue"], outcomes=(Outcome.FAILED, Outcome.REJECTED))
        good, failed, rejected = received(receiver, 3)
        receiver.ack(good)
        receiver.settle(rejected, Outcome.REJECTED)
        receiver.settle(failed, Outcome.FAILED)
        (again,) = received(receiver, 1)
        assert again.get_payload_as_string() == "failed"
        assert again.is_redelivered()
        receiver.ack(again)
        assert receiver.receive_message(NOT_COMING) is None
        receiver.terminate()


class States(ReceiverStateChangeListener):
    """Waits until a receiver is active."""

    def __init__(self):
        self.active = threading.Event()

    def on_change(self, old_state, new_state, change_time_stamp):
        if new_state == ReceiverState.ACTIVE:
            self.active.set()


def a_second_receiver_waits_in_line_and_takes_over():
    published("first")
    with Client("store") as holder, Client("store") as heir:
        holding, states = holder.receiver(GIVEN["store_queue"]), States()
        (message,) = received(holding, 1)
        waiting = heir.receiver(GIVEN["store_queue"], states=states)
        assert waiting.receive_message(NOT_COMING) is None, "two receivers of an exclusive queue at once"
        assert not states.active.is_set()
        holding.terminate()
        (again,) = received(waiting, 1)
        assert states.active.wait(10), "the heir was not told that it is active"
        assert again.get_payload_as_string() == "first" and again.is_redelivered()
        waiting.ack(again)
        waiting.terminate()
        assert message.get_payload_as_string() == "first"


def a_client_that_leaves_with_a_message_in_hand_gives_it_to_the_next():
    published("kept")
    lost = Client("store")
    lost.service.connect()
    receiver = lost.receiver(GIVEN["store_queue"])
    received(receiver, 1)
    lost.service.disconnect()
    with Client("store") as store:
        receiver = store.receiver(GIVEN["store_queue"])
        (again,) = received(receiver, 1)
        assert again.get_payload_as_string() == "kept" and again.is_redelivered()
        receiver.ack(again)
        receiver.terminate()


def an_unknown_queue_is_refused():
    with Client("store") as store:
        refused_with(UNKNOWN_QUEUE, lambda: store.receiver("no_such_queue"))


def a_queue_of_others_is_refused():
    with Client("store") as store:
        refused_with(NOT_PERMITTED, lambda: store.receiver(GIVEN["foreign_queue"]))


def a_topic_of_others_is_refused_and_the_next_message_is_judged_by_itself():
    with Client("validation") as client:
        publisher = client.publisher()
        foreign = Topic.of(GIVEN["foreign_topic"])
        send = lambda topic: publisher.publish_await_acknowledgement(client.message("x"), topic, SOON)
        refused_with(PUBLISH_DENIED, lambda: send(foreign))
        send(aggregation_topic())
        refused_with(PUBLISH_DENIED, lambda: send(foreign))
        publisher.terminate()
    drained()


def a_message_that_no_queue_takes_is_refused_and_not_swallowed():
    with Client("validation") as client:
        publisher = client.publisher()
        nobody = Topic.of(GIVEN["unmatched_topic"])
        send = lambda: publisher.publish_await_acknowledgement(client.message("x"), nobody, SOON)
        refused_with(NOBODY_SUBSCRIBED, send)
        publisher.terminate()


def a_direct_message_passes_to_a_subscriber_that_asked_for_its_topic():
    with Client("store") as store, Client("validation") as client:
        wanted = [TopicSubscription.of("%s/aggregations/*/>" % GIVEN["prefix"])]
        receiver = store.service.create_direct_message_receiver_builder().with_subscriptions(wanted).build().start()
        publisher = client.service.create_direct_message_publisher_builder().build().start()
        topic = aggregation_topic()
        publisher.publish(client.message("direct", till="7"), topic)
        (message,) = received(receiver, 1)
        assert message.get_destination_name() == topic.get_name()
        assert message.get_payload_as_string() == "direct" and message.get_properties() == {"till": "7"}
        publisher.terminate()
        receiver.terminate()
    drained()


def a_hundred_clients_come_and_go():
    for _ in range(20):
        clients = [Client("store") for _ in range(5)]
        threads = [threading.Thread(target=client.service.connect) for client in clients]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert all(client.service.is_connected for client in clients)
        for client in clients:
            client.service.disconnect()


def turnover_rows():
    """What the service shows of this store as final, by start of the window; money from its text, never through a float."""
    request = urllib.request.Request("%s?store_id=%s" % (GIVEN["turnover_url"], GIVEN["store"]))
    user, password = GIVEN["turnover_user"]
    credentials = base64.b64encode(("%s:%s" % (user, password)).encode()).decode()
    request.add_header("Authorization", "Basic " + credentials)
    with urllib.request.urlopen(request, timeout=20) as answer:
        rows = json.loads(answer.read(), parse_float=Decimal)
    return {row["window_start"]: row for row in rows if row["final"]}


def a_store_reads_its_own_aggregates_while_sales_run_and_they_are_the_turnover():
    finals = {}
    with Client("store") as store:
        receiver = store.receiver(GIVEN["store_queue"])
        while len(finals) < 5:
            (message,) = received(receiver, 1, timeout=30_000)
            assert message.get_destination_name().startswith("%s/aggregations/%s/" % (GIVEN["prefix"], GIVEN["store"]))
            event = json.loads(message.get_payload_as_bytes(), parse_float=Decimal)
            assert event["store_id"] == GIVEN["store"], event
            if event["final"]:
                finals[event["window_start"]] = event
            receiver.ack(message)
        receiver.terminate()
    while not finals.keys() <= (rows := turnover_rows()).keys():
        time.sleep(0.1)  # the service reads a queue of its own, and the deadline of the check ends this
    for start, event in finals.items():
        row = rows[start]
        assert event["transaction_count"] > 0
        for key in ("total_amount", "transaction_count", "event_id", "final", "currency"):
            assert row[key] == event[key], "%s: the store read %s, the service shows %s" % (key, event, row)


BROKER = (
    every_user_of_the_tree_logs_in,
    a_wrong_password_and_an_unknown_user_are_refused,
    every_message_of_several_windows_gets_its_own_receipt_in_order,
    a_message_comes_back_as_it_was_sent,
    what_a_receiver_leaves_unacknowledged_comes_again_and_nothing_else,
    a_failed_message_comes_again_and_a_rejected_one_does_not,
    a_second_receiver_waits_in_line_and_takes_over,
    a_client_that_leaves_with_a_message_in_hand_gives_it_to_the_next,
    an_unknown_queue_is_refused,
    a_queue_of_others_is_refused,
    a_topic_of_others_is_refused_and_the_next_message_is_judged_by_itself,
    a_message_that_no_queue_takes_is_refused_and_not_swallowed,
    a_direct_message_passes_to_a_subscriber_that_asked_for_its_topic,
    a_hundred_clients_come_and_go,
)
SERVICE = (a_store_reads_its_own_aggregates_while_sales_run_and_they_are_the_turnover,)

checks = Checks()
for check in {"broker": BROKER, "service": SERVICE}[GIVEN["checks"]]:
    checks.run(check)
checks.finish()
