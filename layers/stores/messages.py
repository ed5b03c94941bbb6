"""Protobuf message classes from a table in Python, in the notation of the .proto files they come from.

The official packages declare each message of their API: importing them cost ingest 0.19 s of CPU and 25 MB for the
dozen messages that a store sends. `tests/contracts/test_messages.py` holds every table to the official descriptors.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

Table = Mapping[str, Mapping[str, tuple[str, ...]]]
"""Package -> message -> its fields, e.g. `"repeated Entry entries = 2"` or `"oneof rule: bytes key = 1"`. A package may
use the messages of those before it."""

_FIELD = re.compile(
    r"(?:oneof (?P<oneof>\w+): )?(?P<repeated>repeated )?"
    r"(?:map<string, (?P<value>\w+)>|(?P<type>[\w.]+)) (?P<name>\w+) = (?P<number>\d+)"
)
_SCALARS = {
    "bool": FieldDescriptorProto.TYPE_BOOL,
    "bytes": FieldDescriptorProto.TYPE_BYTES,
    "int32": FieldDescriptorProto.TYPE_INT32,
    "int64": FieldDescriptorProto.TYPE_INT64,
    "string": FieldDescriptorProto.TYPE_STRING,
}


class InvalidTable(ValueError):
    """A line that is no field. A defect of the table, found when its module is imported."""


class Messages:
    """The classes of one table. Their pool is private, so that the official packages may be imported beside them."""

    def __init__(self, table: Table) -> None:
        self._pool = DescriptorPool()
        files: list[str] = []
        for package, messages in table.items():
            name = f"{package.replace('.', '/')}.proto"
            file = FileDescriptorProto(name=name, package=package, syntax="proto3", dependency=files)
            declared: dict[str, DescriptorProto] = {}
            for path, fields in messages.items():
                parent, _, own = path.rpartition(".")
                message = declared[parent].nested_type.add() if parent else file.message_type.add()
                message.name = own
                declared[path] = message
                for line in fields:
                    _declare(message, line, f"{package}.{path}")
            self._pool.Add(file)
            files.append(name)

    def __getitem__(self, full_name: str) -> Any:
        return GetMessageClass(self._pool.FindMessageTypeByName(full_name))


def _declare(message: DescriptorProto, line: str, owner: str) -> None:
    parts = _FIELD.fullmatch(line)
    if parts is None:
        raise InvalidTable(f"{owner} declares `{line}`, which is no field; write it as in the .proto file")
    field = message.field.add(
        name=parts["name"], number=int(parts["number"]), label=FieldDescriptorProto.LABEL_OPTIONAL
    )
    if parts["repeated"] or parts["value"]:
        field.label = FieldDescriptorProto.LABEL_REPEATED
    if parts["value"]:
        entry = message.nested_type.add(name="".join(map(str.capitalize, parts["name"].split("_"))) + "Entry")
        entry.options.map_entry = True
        _declare(entry, "string key = 1", owner)
        _declare(entry, f"{parts['value']} value = 2", owner)
        field.type, field.type_name = FieldDescriptorProto.TYPE_MESSAGE, entry.name
    elif parts["type"] in _SCALARS:
        field.type = _SCALARS[parts["type"]]
    else:
        # protoc's rule: an unqualified name is looked for from the inside outwards.
        field.type, field.type_name = FieldDescriptorProto.TYPE_MESSAGE, parts["type"]
    if parts["oneof"]:
        names = [oneof.name for oneof in message.oneof_decl]
        if parts["oneof"] not in names:
            message.oneof_decl.add(name=parts["oneof"])
            names.append(parts["oneof"])
        field.oneof_index = names.index(parts["oneof"])
