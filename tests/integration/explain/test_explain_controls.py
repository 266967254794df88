"""A payment is evaluated again under the list entries that were in force for it, whatever was changed since."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from fraudstream.contracts.control import ListEntry, RuleSwitch
from fraudstream.stream.control_log import keep, put_in_force
from tests.brokers import SelectedBroker, on_kafka
from tests.integration.explain.explain_command import ExplainCommand
from tests.integration.explain.listed_payments import REMOVAL, listed_payment
from tests.integration.stream.cluster import StreamCluster
from tests.integration.stream.list_rules import ENTRY, NETWORKS_IN_TWO_STAGES, OLD, TWO_STAGES
from tests.integration.stream.payments import payment
from tests.integration.topic_admin import delete_records

UniqueName = Callable[[str], str]
Rules = Mapping[str, str]


async def created(
    selected_broker: SelectedBroker, unique_name: UniqueName, directory: Path, rules: Rules
) -> StreamCluster:
    """A cluster of these rules, one partition a topic, with its topics created."""
    servers, is_kafka = selected_broker
    cluster = StreamCluster(servers, unique_name, directory, is_kafka, rules, partitions=1)
    await cluster.create_topics()
    return cluster


@pytest.fixture
async def cluster(selected_broker: SelectedBroker, unique_name: UniqueName, tmp_path: Path) -> StreamCluster:
    """One stage."""
    return await created(selected_broker, unique_name, tmp_path, OLD)


@pytest.fixture
async def chain(selected_broker: SelectedBroker, unique_name: UniqueName, tmp_path: Path) -> StreamCluster:
    """Two stages."""
    return await created(selected_broker, unique_name, tmp_path, TWO_STAGES)


async def removed_since(cluster: StreamCluster) -> str:
    """The id of the alert on a listed payment, after which the entry is removed and another payment is decided."""
    async with cluster.worker():
        await put_in_force(cluster.settings, [], [ENTRY])
        await cluster.publish_records([listed_payment(1)])
        [alert] = await cluster.alerts(1)
        await put_in_force(cluster.settings, [], [REMOVAL])
        await cluster.publish_records([listed_payment(2)])
        await cluster.decisions(2)
    return alert.alert_id


async def expect_listed(cluster: StreamCluster, explain: ExplainCommand, alert_id: str) -> None:
    """Assert that the alert is reproduced with the list entry in force."""
    found = await explain.json(cluster, alert_id)
    assert (found["agrees"], found["differences"], found["lists_unknown"]) == (True, [], [])
    [rule] = found["trial"]["rules"]
    assert (rule["closeness"], rule["tested"][0]["holds"]) == ("fired", True)


async def test_a_list_entry_removed_since_is_in_force_again(cluster: StreamCluster, explain: ExplainCommand) -> None:
    await expect_listed(cluster, explain, await removed_since(cluster))
    found = await explain.json(cluster, "--event", "e2", "--account", "a")
    assert (found["agrees"], found["trial"]["decision"]["outcome"]) == (True, "allow")


@on_kafka
async def test_a_list_entry_that_retention_deleted_is_in_force_again(
    cluster: StreamCluster, explain: ExplainCommand
) -> None:
    alert_id = await removed_since(cluster)
    found = await explain.json(cluster, alert_id)
    await delete_records(cluster.brokers, cluster.settings.payments_topic, {found["partition"]: found["offset"]})
    await expect_listed(cluster, explain, alert_id)


async def test_a_list_entry_older_than_the_chain_is_in_force_again(
    chain: StreamCluster, explain: ExplainCommand
) -> None:
    await keep(chain.settings, [ENTRY])
    async with chain.worker():
        await chain.publish_records([listed_payment(1)])
        [alert] = await chain.alerts(1)
        await put_in_force(chain.stages[-1], [], [REMOVAL])
    await expect_listed(chain, explain, alert.alert_id)


async def test_a_listed_network_older_than_the_chain_is_in_force_again(
    selected_broker: SelectedBroker, unique_name: UniqueName, tmp_path: Path, explain: ExplainCommand
) -> None:
    chain = await created(selected_broker, unique_name, tmp_path, NETWORKS_IN_TWO_STAGES)
    entry = ListEntry(list="proxies", value="10.0.0.0/8", by="r.holm", issued_at_ms=0)
    await keep(chain.settings, [entry])
    async with chain.worker():
        await chain.publish_records([(b"a", payment(1, "a", device_id="dev-8", ip="10.1.2.3"))])
        [alert] = await chain.alerts(1)
    await expect_listed(chain, explain, alert.alert_id)


async def test_a_list_entry_that_may_be_older_than_the_log_is_reported_as_unknown(
    chain: StreamCluster, explain: ExplainCommand
) -> None:
    async with chain.worker():
        await chain.publish_records([listed_payment(1)])
        await chain.decisions(1)
        await put_in_force(chain.stages[-1], [], [ENTRY])
    code, said = await explain(chain, "--event", "e1", "--account", "a")
    assert code == 0, said
    assert "It is unknown whether a value of this payment was on stolen_devices" in " ".join(said.split())


async def test_a_switch_to_a_later_state_version_does_not_end_the_explanation(
    cluster: StreamCluster, explain: ExplainCommand
) -> None:
    switch = RuleSwitch(rule_set=cluster.engine.rule_set.digest, by="r.holm", issued_at_ms=0, state_version=2)
    await put_in_force(cluster.settings, [], [switch])
    await put_in_force(cluster.settings, [], [ENTRY])
    await cluster.publish_records([listed_payment(1)])
    found = await explain.json(cluster, "--event", "e1", "--account", "a")
    assert found["trial"]["decision"]["outcome"] == "review"
