"""Bytewax doing what tillstream's aggregation does: parse stored payloads, tumbling sum per store; one worker, in memory.

Leaves out what tillstream does besides: no duplicate check, no index on disk, no acknowledgement. Prints sales per second.
"""

import json
import sys
import time
from datetime import datetime, timedelta, timezone

import bytewax.operators as op
from bytewax.dataflow import Dataflow
from bytewax.operators import windowing as win
from bytewax.testing import TestingSink, TestingSource, run_main

COUNT = int(sys.argv[1]) if len(sys.argv) > 1 else 200_000
BATCH = int(sys.argv[2]) if len(sys.argv) > 2 else 1_000
START = datetime(2024, 11, 15, 10, 0, 0, tzinfo=timezone.utc)


def payload(number: int) -> bytes:
    time_of_sale = START + timedelta(milliseconds=number)
    return json.dumps({
        "transaction_id": f"00000000-0000-4000-8000-{number:012x}",
        "timestamp": time_of_sale.isoformat().replace("+00:00", "Z"),
        "store_id": f"STORE_{number % 10 + 1}",
        "cashier_id": f"CASHIER_{number % 8 + 1}",
        "items": [
            {"item_id": "milk-1l", "name": "Milk", "quantity": 2, "price_per_unit": 1.29, "total_price": 2.58},
            {"item_id": "bread-500", "name": "Bread", "quantity": 1, "price_per_unit": 3.49, "total_price": 3.49},
        ],
        "total_amount": 6.07,
        "payment_method": "cash",
        "payment_status": "success",
        "customer_id": "CUSTOMER_9",
        "loyalty_points_earned": 1,
        "receipt": {"receipt_id": "r-1", "date": "2024-11-15T10:00:00Z", "total_amount": 6.07, "payment_method": "cash",
                    "transaction_id": f"00000000-0000-4000-8000-{number:012x}"},
        "accepted_at": time_of_sale.isoformat().replace("+00:00", "Z"),
    }).encode()


def parsed(raw: bytes) -> dict:
    sale = json.loads(raw)
    sale["time"] = datetime.fromisoformat(sale["timestamp"].replace("Z", "+00:00"))
    return sale


payloads = [payload(number) for number in range(COUNT)]
out: list = []
flow = Dataflow("tumbling_sum")
raw = op.input("in", flow, TestingSource(payloads, batch_size=BATCH))
sales = op.key_on("store", op.map("parse", raw, parsed), lambda sale: sale["store_id"])
clock = win.EventClock(lambda sale: sale["time"], wait_for_system_duration=timedelta(seconds=1))
windower = win.TumblingWindower(length=timedelta(seconds=10), align_to=datetime(2024, 11, 15, tzinfo=timezone.utc))
cents = lambda total, sale: total + round(sale["total_amount"] * 100)
sums = win.fold_window("sum", sales, clock, windower, lambda: 0, cents, lambda one, other: one + other)
op.output("out", sums.down, TestingSink(out))

began = time.perf_counter()
run_main(flow)
took = time.perf_counter() - began
total = sum(value for _, (_, value) in out)
assert total == COUNT * 607, f"the sum is {total}, not {COUNT * 607}"
print(f"{COUNT / took:.0f}")
