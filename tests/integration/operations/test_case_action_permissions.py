"""On a cluster with ACLs an analyst acts on cases with the permissions that docs/runbook.md lists, and no others; one
that is missing is named before anything is published."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec
import pytest

from fraudstream.cases.agent import CaseAgent
from fraudstream.operations.case_action_client import act_on_case
from fraudstream.operations.case_actions import new_case_action
from fraudstream.operations.cluster_access import on_cluster
from fraudstream.operations.errors import MissingTopicError
from tests.integration.cases.case_cluster import CaseCluster, eventually
from tests.integration.kafka.acls import Acl, allow, forbid
from tests.integration.kafka.secure_cluster import SecureCluster, secure_cluster
from tests.unit.cases.events import alert

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureCluster]:
    with secure_cluster(tmp_path_factory.mktemp("secure-kafka")) as cluster:
        yield cluster


async def test_an_analyst_needs_two_permissions_to_act_on_a_case(
    secure: SecureCluster, redis_url: str, unique_name: Callable[[str], str]
) -> None:
    admin = secure.brokers("admin")
    cluster = CaseCluster(admin, redis_url, unique_name, fenced=True)
    await cluster.create_topics()
    settings = msgspec.structs.replace(cluster.settings, brokers=secure.brokers("analyst"))
    of_answers = Acl("READ", "topic", settings.case_answers_topic)
    needs = [of_answers, Acl("WRITE", "topic", settings.case_actions_topic)]
    view, agent = cluster.view(), CaseAgent(cluster.settings, view=cluster.view())
    await allow(admin, "analyst", needs)
    await agent.start()
    try:
        await cluster.publish_alerts([alert("a1")])
        (case,) = await eventually(lambda: view.queue(10), lambda found: len(found) == 1)
        partition = await view.partition_of(case.case_id)
        assert partition is not None
        claim = new_case_action(case, "claim", actor="ann", acted_at_ms=5_000)
        result = await on_cluster(settings.brokers, lambda: act_on_case(settings, case, partition, claim))
        assert (result.case.status, result.case.assignee) == ("in_review", "ann")

        await forbid(admin, "analyst", [of_answers])
        release = new_case_action(case, "release", actor="ann", acted_at_ms=6_000)
        with pytest.raises(MissingTopicError, match="or permits you nothing on it") as refused:
            await on_cluster(settings.brokers, lambda: act_on_case(settings, case, partition, release), within_s=60)
        assert refused.value.topic == settings.case_answers_topic
        assert len(await cluster.records(settings.case_actions_topic)) == 1
    finally:
        await agent.stop()
        await view.close()
        await forbid(admin, "analyst", needs)
