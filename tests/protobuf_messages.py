"""Schemas of Protobuf and messages by them, in Confluent's wire format."""

from __future__ import annotations

from typing import Any, Final

from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory

from fraudstream.bridge.protobuf_compiler import compiled_descriptors
from fraudstream.formats.wire_format import RegisteredSchema, SchemaReference

PARTY: Final = """syntax = "proto3";
package bank;
message Party { string account = 1; optional string bic = 2; }
"""
TRANSFERS: Final = """syntax = "proto3";
package bank;
import "bank/party.proto";
import "confluent/meta.proto";
import "confluent/type/decimal.proto";
import "google/protobuf/timestamp.proto";
import "google/protobuf/wrappers.proto";
import "google/type/date.proto";
import "google/type/decimal.proto";
import "google/type/money.proto";

message Batch {
  google.protobuf.Timestamp created = 1;
  repeated Transfer transfers = 2;
}

message Transfer {
  map<string, string> tags = 12;
  message Reversal { string id = 1; Transfer original = 2; }
  enum Kind { KIND_UNSPECIFIED = 0; KIND_TRANSFER = 1; KIND_CARD = 2; }
  string id = 1 [(confluent.field_meta).doc = "unique"];
  google.protobuf.Timestamp at = 2;
  google.type.Money amount = 3;
  Party payer = 4;
  Party payee = 5;
  Kind kind = 6;
  optional string channel = 7;
  google.protobuf.StringValue device = 8;
  oneof party { string partner = 9; int64 agent = 10; }
  confluent.type.Decimal fee = 11;
  google.type.Decimal rate = 13;
  google.type.Date value_date = 14;
  bytes raw = 15;
  uint64 sequence = 16;
  double share = 17;
  bool instant = 18;
}
"""
REGISTERED: Final = RegisteredSchema("PROTOBUF", TRANSFERS, (SchemaReference("bank/party.proto", PARTY),))


class MessageClasses:
    """The messages of a schema, by their full name."""

    def __init__(self, schema: RegisteredSchema = REGISTERED) -> None:
        self._pool = descriptor_pool.DescriptorPool()
        for file in descriptor_pb2.FileDescriptorSet.FromString(compiled_descriptors(schema)).file:
            self._pool.Add(file)

    def encoded(self, name: str, fields: dict[str, Any]) -> bytes:
        """A message with these fields, as JSON of Protobuf writes them."""
        message = message_factory.GetMessageClass(self._pool.FindMessageTypeByName(name))()
        return bytes(json_format.ParseDict(fields, message).SerializeToString())


def framed(schema_id: int, indexes: bytes, message: bytes) -> bytes:
    """The wire format; `indexes`: as they are written."""
    return b"\0" + schema_id.to_bytes(4, "big") + indexes + message
