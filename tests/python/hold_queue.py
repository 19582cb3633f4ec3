"""Consumes a queue with the official Python client and acknowledges nothing, until it is killed.

Reads one JSON object from standard input: host, vpn, user and queue. Says `holding`, and then `has 1`, `has 2`, …
"""

import json
import sys

from solace.messaging.messaging_service import MessagingService
from solace.messaging.resources.queue import Queue

GIVEN = json.load(sys.stdin)

service = (
    MessagingService.builder()
    .from_properties(
        {
            "solace.messaging.transport.host": GIVEN["host"],
            "solace.messaging.service.vpn-name": GIVEN["vpn"],
            "solace.messaging.authentication.scheme.basic.username": GIVEN["user"][0],
            "solace.messaging.authentication.scheme.basic.password": GIVEN["user"][1],
        }
    )
    .build()
)
service.connect()
builder = service.create_persistent_message_receiver_builder().with_message_client_acknowledgement()
receiver = builder.build(Queue.durable_exclusive_queue(GIVEN["queue"])).start()
print("holding", flush=True)
count = 0
while True:
    if receiver.receive_message(60_000) is not None:
        count += 1
        print("has %d" % count, flush=True)
