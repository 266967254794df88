"""Requests of consumer groups."""

from __future__ import annotations

from typing import Any

from fraudstream.embedded.kafka_server.errors import Error, RequestRefused
from fraudstream.embedded.kafka_server.groups import Group, JoinRequest
from fraudstream.embedded.kafka_server.partition_log import LEADER_EPOCH
from fraudstream.embedded.kafka_server.state import ALL_ALLOWED, NODE_ID, BrokerState, Request
from fraudstream.embedded.kafka_server.wire import Values


async def find_coordinator(broker: BrokerState, request: Request, values: Values) -> Values:
    """The one broker coordinates every group."""
    return {"node_id": NODE_ID, "host": broker.host, "port": broker.port}


async def join_group(broker: BrokerState, request: Request, values: Values) -> Values:
    """Join a group, once all its members have."""
    session_s = values["session_timeout_ms"] / 1000
    joining = JoinRequest(
        member_id=values["member_id"],
        instance_id=values.get("instance_id"),
        client_id=request.client_id,
        protocol_type=values["protocol_type"],
        protocols=[(protocol["name"], protocol["metadata"]) for protocol in values["protocols"]],
        session_timeout_s=session_s,
        rebalance_timeout_s=values.get("rebalance_timeout_ms", values["session_timeout_ms"]) / 1000,
    )
    try:
        joined = await broker.groups.find(values["group_id"]).join(joining)
    except RequestRefused as refusal:
        return {"error_code": refusal.error, "generation_id": -1, "member_id": values["member_id"]}
    return {
        "generation_id": joined.generation,
        "protocol_name": joined.protocol,
        "leader": joined.leader,
        "member_id": joined.member_id,
        "members": [
            {"member_id": member_id, "instance_id": instance_id, "metadata": metadata}
            for member_id, instance_id, metadata in joined.members
        ],
    }


async def sync_group(broker: BrokerState, request: Request, values: Values) -> Values:
    """The assignment of a member."""
    assignments = {each["member_id"]: each["assignment"] for each in values["assignments"]}
    group = broker.groups.find(values["group_id"])
    try:
        return {"assignment": await group.sync(values["member_id"], values["generation_id"], assignments)}
    except RequestRefused as refusal:
        return {"error_code": refusal.error}


async def heartbeat(broker: BrokerState, request: Request, values: Values) -> Values:
    """A member is alive."""
    try:
        broker.groups.find(values["group_id"]).heartbeat(values["member_id"], values["generation_id"])
    except RequestRefused as refusal:
        return {"error_code": refusal.error}
    return {}


async def leave_group(broker: BrokerState, request: Request, values: Values) -> Values:
    """One member, or several, leave."""
    group = broker.groups.find(values["group_id"])

    def leave(member: Values) -> Values:
        about = {"member_id": member["member_id"], "instance_id": member.get("instance_id")}
        try:
            group.leave(member["member_id"], member.get("instance_id"))
        except RequestRefused as refusal:
            return about | {"error_code": refusal.error}
        return about

    if "members" in values:
        return {"members": [leave(member) for member in values["members"]]}
    return {"error_code": leave(values).get("error_code", Error.NONE)}


async def offset_commit(broker: BrokerState, request: Request, values: Values) -> Values:
    """Keep the offsets of a group."""
    group, error = broker.groups.find(values["group_id"]), Error.NONE
    try:
        group.check_commit(values["member_id"], values["generation_id"])
    except RequestRefused as refusal:
        error = refusal.error
    else:
        for topic in values["topics"]:
            for part in topic["partitions"]:
                group.offsets[topic["name"], part["index"]] = part["committed_offset"], part["metadata"]
    return {
        "topics": [
            {
                "name": topic["name"],
                "partitions": [{"index": part["index"], "error_code": error} for part in topic["partitions"]],
            }
            for topic in values["topics"]
        ]
    }


async def offset_fetch(broker: BrokerState, request: Request, values: Values) -> Values:
    """The committed offsets of a group, -1 where there is none; all that it has if no topic is named."""
    group = broker.groups.existing(values["group_id"])
    offsets = {} if group is None else group.offsets
    asked: dict[str, list[int]] = {}
    if values["topics"] is None:
        for name, number in offsets:
            asked.setdefault(name, []).append(number)
    else:
        asked = {topic["name"]: topic["partitions"] for topic in values["topics"]}

    def committed(name: str, number: int) -> Values:
        offset, metadata = offsets.get((name, number), (-1, ""))
        return {"index": number, "committed_offset": offset, "leader_epoch": LEADER_EPOCH, "metadata": metadata}

    return {
        "topics": [
            {"name": name, "partitions": [committed(name, number) for number in numbers]}
            for name, numbers in asked.items()
        ]
    }


async def list_groups(broker: BrokerState, request: Request, values: Values) -> Values:
    """Every group."""
    return {
        "groups": [{"group_id": group.group_id, "protocol_type": group.protocol_type} for group in broker.groups.all()]
    }


async def describe_groups(broker: BrokerState, request: Request, values: Values) -> Values:
    """Groups with their members; one that nobody has used is dead."""

    def describe(group_id: str) -> Values:
        group = broker.groups.existing(group_id)
        if group is None:
            return {"group_id": group_id, "group_state": "Dead", "authorized_operations": ALL_ALLOWED}
        return _described(group, request.client_host)

    return {"groups": [describe(group_id) for group_id in values["groups"]]}


def _described(group: Group, host: str) -> dict[str, Any]:
    members = [
        {
            "member_id": member.member_id,
            "instance_id": member.request.instance_id,
            "client_id": member.request.client_id,
            "client_host": host,
            "metadata": dict(member.request.protocols).get(group.protocol, b""),
            "assignment": member.assignment,
        }
        for member in group.members.values()
    ]
    return {
        "group_id": group.group_id,
        "group_state": group.phase.value,
        "protocol_type": group.protocol_type,
        "protocol_data": group.protocol if group.members else "",
        "members": members,
        "authorized_operations": ALL_ALLOWED,
    }


async def delete_groups(broker: BrokerState, request: Request, values: Values) -> Values:
    """Forget groups that have no members."""

    def delete(group_id: str) -> Values:
        try:
            broker.groups.delete(group_id)
        except RequestRefused as refusal:
            return {"group_id": group_id, "error_code": refusal.error}
        return {"group_id": group_id}

    return {"results": [delete(group_id) for group_id in values["groups"]]}
