"""Consumer groups of the classic protocol: members, generations, assignments and committed offsets.

empty -> preparing: members join -> completing: the leader assigns -> stable -> preparing ...
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import NamedTuple

from fraudstream.embedded.kafka_server.errors import Error, RequestRefused


class Phase(Enum):
    """The state of a group, by the name that DescribeGroups gives it."""

    EMPTY = "Empty"
    PREPARING = "PreparingRebalance"
    COMPLETING = "CompletingRebalance"
    STABLE = "Stable"


class JoinRequest(NamedTuple):
    """The JoinGroup request of a member. `protocols`: its assignors in order of preference, each with its metadata."""

    member_id: str
    instance_id: str | None
    client_id: str
    protocol_type: str
    protocols: Sequence[tuple[str, bytes]]
    session_timeout_s: float
    rebalance_timeout_s: float


class Joined(NamedTuple):
    """The answer to a member. `members`: id, instance id and metadata of each, for the leader alone."""

    generation: int
    protocol: str
    leader: str
    member_id: str
    members: Sequence[tuple[str, str | None, bytes]]


class Member:
    """One member. `joining`, `syncing`: its request that waits for an answer."""

    def __init__(self, member_id: str, request: JoinRequest) -> None:
        self.member_id, self.request = member_id, request
        self.assignment = b""
        self.joining: asyncio.Future[Joined] | None = None
        self.syncing: asyncio.Future[bytes] | None = None
        self.expiry: asyncio.TimerHandle | None = None

    def metadata(self, protocol: str) -> bytes:
        """Its metadata for the assignor `protocol`."""
        return dict(self.request.protocols)[protocol]

    def refuse(self, error: Error) -> None:
        """Answer the waiting requests with an error."""
        for waiting in (self.joining, self.syncing):
            if waiting is not None and not waiting.done():
                waiting.set_exception(RequestRefused(error))
        self.joining = self.syncing = None


class Group:
    """One consumer group. Its methods raise `RequestRefused` and are called in the event loop."""

    def __init__(self, group_id: str) -> None:
        self.group_id, self.phase = group_id, Phase.EMPTY
        self.generation, self.protocol_type, self.protocol = 0, "", ""
        self.members: dict[str, Member] = {}
        self.offsets: dict[tuple[str, int], tuple[int, str | None]] = {}  # offset and metadata by partition
        self._leader = ""
        self._deadline: asyncio.TimerHandle | None = None

    async def join(self, request: JoinRequest) -> Joined:
        """Join, or join again; returns once all members have, or after the longest rebalance time-out."""
        member = self._admit(request)
        settled = self.phase is Phase.COMPLETING or (self.phase is Phase.STABLE and member.member_id != self._leader)
        if settled and member.request.protocols == request.protocols and self._is_part(member):
            return self._joined(member)
        member.request = request
        joining: asyncio.Future[Joined] = asyncio.get_running_loop().create_future()
        member.joining = joining
        self._prepare()
        self._complete_if_joined()
        return await joining

    async def sync(self, member_id: str, generation: int, assignments: Mapping[str, bytes]) -> bytes:
        """The assignment of a member, once the leader has sent all `assignments`."""
        member = self._known(member_id, generation)
        self._touch(member)
        if self.phase is Phase.PREPARING:
            raise RequestRefused(Error.REBALANCE_IN_PROGRESS)
        if self.phase is Phase.STABLE:
            return member.assignment
        if member_id != self._leader:
            member.syncing = asyncio.get_running_loop().create_future()
            return await member.syncing
        self.phase = Phase.STABLE
        for each in self.members.values():
            each.assignment = assignments.get(each.member_id, b"")
            self._touch(each)
            if each.syncing is not None and not each.syncing.done():
                each.syncing.set_result(each.assignment)
            each.syncing = None
        return member.assignment

    def heartbeat(self, member_id: str, generation: int) -> None:
        """Renew a member's session. During a rebalance it gets an error, and joins again."""
        self._touch(self._known(member_id, generation))
        if self.phase is Phase.PREPARING:
            raise RequestRefused(Error.REBALANCE_IN_PROGRESS)

    def leave(self, member_id: str, instance_id: str | None) -> None:
        """A member leaves; the others are rebalanced."""
        if not member_id and instance_id is not None:
            member_id = next((m.member_id for m in self.members.values() if m.request.instance_id == instance_id), "")
        self._remove(self._known(member_id, None))

    def check_commit(self, member_id: str, generation: int) -> None:
        """Whether offsets may be committed: by a member, or by anyone while there are none."""
        if generation < 0 and not self.members:
            return
        self._touch(self._known(member_id, generation))

    def _admit(self, request: JoinRequest) -> Member:
        """The member that sends the request, a new one if it has no id yet."""
        others = [member for member in self.members.values() if member.member_id != request.member_id]
        names = {name for name, _ in request.protocols}
        if not names or (others and request.protocol_type != self.protocol_type):
            raise RequestRefused(Error.INCONSISTENT_GROUP_PROTOCOL)
        if any(names.isdisjoint(name for name, _ in other.request.protocols) for other in others):
            raise RequestRefused(Error.INCONSISTENT_GROUP_PROTOCOL)
        self.protocol_type = request.protocol_type
        if request.member_id:
            return self._known(request.member_id, None)
        for other in others:
            if request.instance_id is not None and other.request.instance_id == request.instance_id:
                self._forget(other)  # a static member that restarted
        member = Member(f"{request.client_id}-{uuid.uuid4()}", request)
        self.members[member.member_id] = member
        return member

    def _known(self, member_id: str, generation: int | None) -> Member:
        member = self.members.get(member_id)
        if member is None:
            raise RequestRefused(Error.UNKNOWN_MEMBER_ID)
        if generation is not None and generation != self.generation:
            raise RequestRefused(Error.ILLEGAL_GENERATION)
        return member

    def _is_part(self, member: Member) -> bool:
        """Whether the member was part of the last rebalance; one that has just been admitted was not."""
        return member.expiry is not None

    def _prepare(self) -> None:
        """Begin a rebalance, if none has begun."""
        if self.phase is Phase.PREPARING:
            return
        self.phase = Phase.PREPARING
        for member in self.members.values():
            if member.syncing is not None:
                member.refuse(Error.REBALANCE_IN_PROGRESS)
        timeout_s = max((m.request.rebalance_timeout_s for m in self.members.values()), default=0.0)
        self._deadline = asyncio.get_running_loop().call_later(timeout_s, self._drop_absent)

    def _drop_absent(self) -> None:
        """At the end of the rebalance time-out the members that have not joined again are dropped."""
        for member in [member for member in self.members.values() if member.joining is None]:
            self._forget(member)
        self._complete_if_joined()

    def _complete_if_joined(self) -> None:
        """End the first part of a rebalance once every member has joined: the leader may assign."""
        members = list(self.members.values())
        if self.phase is not Phase.PREPARING or any(member.joining is None for member in members):
            return
        if self._deadline is not None:
            self._deadline.cancel()
        self.generation += 1
        self.phase = Phase.COMPLETING if members else Phase.EMPTY
        if not members:
            return
        if self._leader not in self.members:
            self._leader = members[0].member_id
        shared = set.intersection(*({name for name, _ in member.request.protocols} for member in members))
        preferred = self.members[self._leader].request.protocols
        self.protocol = next((name for name, _ in preferred if name in shared), preferred[0][0])
        for member in members:
            joining, member.joining = member.joining, None
            self._touch(member)
            if joining is not None and not joining.done():
                joining.set_result(self._joined(member))

    def _joined(self, member: Member) -> Joined:
        leads = member.member_id == self._leader
        of_all = [(m.member_id, m.request.instance_id, m.metadata(self.protocol)) for m in self.members.values()]
        return Joined(self.generation, self.protocol, self._leader, member.member_id, of_all if leads else ())

    def _touch(self, member: Member) -> None:
        """Renew the member's session."""
        if member.expiry is not None:
            member.expiry.cancel()
        loop = asyncio.get_running_loop()
        member.expiry = loop.call_later(member.request.session_timeout_s, self._expire, member)

    def _expire(self, member: Member) -> None:
        if member.joining is not None or member.syncing is not None:
            self._touch(member)  # it waits for an answer of this broker
        elif member.member_id in self.members:
            self._remove(member)

    def _remove(self, member: Member) -> None:
        self._forget(member)
        self._prepare()
        self._complete_if_joined()

    def _forget(self, member: Member) -> None:
        del self.members[member.member_id]
        member.refuse(Error.UNKNOWN_MEMBER_ID)
        if member.expiry is not None:
            member.expiry.cancel()


class Groups:
    """All groups by id."""

    def __init__(self) -> None:
        self._groups: dict[str, Group] = {}

    def all(self) -> list[Group]:
        """Every group."""
        return list(self._groups.values())

    def find(self, group_id: str) -> Group:
        """The group, made if there is none."""
        return self._groups.setdefault(group_id, Group(group_id))

    def existing(self, group_id: str) -> Group | None:
        """The group, None if nobody has used it."""
        return self._groups.get(group_id)

    def delete(self, group_id: str) -> None:
        """Forget a group without members. Raises `RequestRefused`."""
        group = self._groups.get(group_id)
        if group is None:
            raise RequestRefused(Error.GROUP_ID_NOT_FOUND)
        if group.members:
            raise RequestRefused(Error.NON_EMPTY_GROUP)
        del self._groups[group_id]

    def forget_topic(self, name: str) -> None:
        """Forget the offsets that were committed for a topic that is deleted."""
        for group in self._groups.values():
            group.offsets = {tp: committed for tp, committed in group.offsets.items() if tp[0] != name}
