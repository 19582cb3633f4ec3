"""Stands in for a provider that cannot be downloaded here: Terraform itself then checks every name, type and value.

Speaks Terraform's plugin protocol 6 with what the table of a provider in providers/ says. Manages nothing: it takes what is planned
as done, and notes it, in the order in which it came, in the file that STAND_IN_LOG names.
"""

import json
import os
import re
import sys
import tempfile
import threading
import tomllib
from concurrent import futures
from pathlib import Path

import grpc
import msgpack

ERROR = 1


def varint(number):
    """A number as protocol buffers write it."""
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes(out) + bytes([number])


def field(number, value):
    """One field of a message: a number or a flag, or a text, or the bytes of a message."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value) if value else b""
    value = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(value)) + value


def fields(message):
    """The fields of a message by number; a repeated one is its last."""
    found, at = {}, 0

    def number():
        nonlocal at
        value, shift = 0, 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(message):
        key = number()
        if key & 7 == 0:
            found[key >> 3] = number()
            continue
        assert key & 7 == 2, "wire type %d" % (key & 7)
        length = number()
        found[key >> 3] = message[at : at + length]
        at += length
    return found


class Table:
    """A provider's table, as schemas and as a judge of values."""

    def __init__(self, path):
        self.told = tomllib.loads(Path(path).read_text())
        self.resources = self.told.get("resources", {})

    def schemas(self):
        """The answer that tells Terraform what there is."""
        blocks = b"".join(self.nested(*one) for one in self.told.get("provider_blocks", {}).items())
        answer = field(1, field(2, self.attributes(self.told["provider"]) + blocks))
        for number, kind in ((2, "resources"), (3, "data")):
            for name, attributes in self.told.get(kind, {}).items():
                schema = field(2, self.attributes(attributes))
                answer += field(number, field(1, name) + field(2, schema))
        return answer

    def nested(self, name, attributes):
        """A block that may stand once."""
        one_at_most = field(3, 2) + field(5, 1)
        return field(3, field(1, name) + field(2, self.attributes(attributes)) + one_at_most)

    @staticmethod
    def attributes(table):
        """All attributes of a block."""
        answer = b""
        for name, told in table.items():
            required, computed = told.get("required", False), told.get("computed", False)
            flags = (4, required), (5, not required and not computed), (6, computed), (7, told.get("sensitive", False))
            body = field(1, name) + field(2, json.dumps(told["type"])) + b"".join(field(n, int(on)) for n, on in flags)
            answer += field(2, body)
        return answer

    def complaints(self, name, config):
        """What the provider would refuse; a value that is not known yet is not judged."""
        for attribute, value in config.items():
            if value is None or isinstance(value, msgpack.ExtType):
                continue
            told = self.resources[name][attribute]
            low, high = told.get("between", (value, value))
            shortest, longest = told.get("length", (0, 1 << 32))
            if told["type"] == "number" and not low <= value <= high:
                yield "%s must be %d to %d, not %s" % (attribute, low, high, value)
            if "one_of" in told and value not in told["one_of"]:
                yield "%s must be one of %s, not %s" % (attribute, ", ".join(told["one_of"]), value)
            if told["type"] == "string" and not shortest <= len(value) <= longest:
                yield "%s must have %d to %d characters" % (attribute, shortest, longest)
            if "pattern" in told and not re.search(told["pattern"], value):
                yield "%s must match %s" % (attribute, told["pattern"])


class StandIn:
    """The calls that Terraform makes."""

    def __init__(self, table):
        self.table = table
        self.log = os.environ.get("STAND_IN_LOG")

    def get_provider_schema(self, _request, _context):
        return self.table.schemas()

    def validate_resource_config(self, request, _context):
        told = fields(request)
        config = msgpack.unpackb(fields(told[2])[1], strict_map_key=False)
        complaints = self.table.complaints(told[1].decode(), config)
        return b"".join(field(1, field(1, ERROR) + field(2, text)) for text in complaints)

    def accept(self, _request, _context):
        return b""

    def plan_resource_change(self, request, _context):
        told = fields(request)
        answer = field(1, told[3])
        prior = msgpack.unpackb(fields(told[2])[1], strict_map_key=False)
        planned = msgpack.unpackb(fields(told[3])[1], strict_map_key=False)
        if prior is None or planned is None:
            return answer
        # What must be given is what names an object: with another name it is another object.
        attributes = self.table.resources[told[1].decode()]
        names = (name for name, one in attributes.items() if one.get("required") and prior[name] != planned[name])
        return answer + b"".join(field(2, field(1, field(1, name))) for name in names)

    def apply_resource_change(self, request, _context):
        told = fields(request)
        planned = msgpack.unpackb(fields(told[3])[1], strict_map_key=False)
        self.note({"type": told[1].decode(), "planned": planned})
        return field(1, told[3])

    def read_resource(self, request, _context):
        return field(1, fields(request)[2])

    def upgrade_resource_state(self, request, _context):
        state = json.loads(fields(fields(request)[3])[1])
        return field(1, field(1, msgpack.packb(state)))

    def note(self, line):
        if self.log:
            with open(self.log, "a") as log:
                log.write(json.dumps(line) + "\n")


def serve(stand_in):
    """Announces itself as Terraform wants it, and answers until it is told to end."""
    end = threading.Event()

    def shutdown(_request, _context):
        end.set()
        return b""

    accept = stand_in.accept
    calls = {
        "GetProviderSchema": stand_in.get_provider_schema,
        "ValidateProviderConfig": accept,
        "ValidateResourceConfig": stand_in.validate_resource_config,
        "ValidateDataResourceConfig": accept,
        "UpgradeResourceState": stand_in.upgrade_resource_state,
        "ConfigureProvider": accept,
        "ReadResource": stand_in.read_resource,
        "PlanResourceChange": stand_in.plan_resource_change,
        "ApplyResourceChange": stand_in.apply_resource_change,
        "StopProvider": accept,
    }
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=8))
    for service, its_calls in (("tfplugin6.Provider", calls), ("plugin.GRPCController", {"Shutdown": shutdown})):
        handlers = {name: grpc.unary_unary_rpc_method_handler(call) for name, call in its_calls.items()}
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))
    with tempfile.TemporaryDirectory() as folder:
        socket = "%s/provider" % folder
        server.add_insecure_port("unix:%s" % socket)
        server.start()
        print("1|6|unix|%s|grpc" % socket, flush=True)
        end.wait()
        server.stop(grace=1).wait()


serve(StandIn(Table(sys.argv[1])))
