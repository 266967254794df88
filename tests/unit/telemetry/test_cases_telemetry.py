"""The case agent's metrics and health after events of the agent."""

from prometheus_client import CollectorRegistry

from fraudstream.cases.observer import Observer
from fraudstream.telemetry.cases import CasesTelemetry


def test_every_event_of_the_agent_is_counted() -> None:
    registry = CollectorRegistry()
    observer: Observer = CasesTelemetry(registry, version="1.2.3", reasons=["invalid"])  # mypy holds one to the other
    observer.on_alert(0, severity="high", opened=True)
    observer.on_alert(0, severity="high", opened=False)
    observer.on_action(0, action="close")
    observer.on_repeat(0, kind="alert")
    observer.on_mismatch(0)
    observer.on_rejected(0, code="no_case")
    observer.on_dead_letter(0, reason="not_json")
    observer.on_notice_answer(0, outcome="not_me")
    observer.on_labels(0, labels=3, unlabelled=1)
    observer.on_open_cases(0, cases=7)
    observer.on_service_levels(0, levels={("takeover", "warned"): 3, ("", "within"): 4})
    observer.on_lag(0, lag=5)
    observer.on_view(behind=2, lost=True)

    def value(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(f"fraudstream_{name}", labels)

    assert value("case_alerts_total", severity="high") == 2
    assert value("cases_opened_total") == 1
    assert value("case_actions_total", action="close") == 1
    assert value("case_repeats_total", kind="alert") == 1
    assert value("verdict_mismatches_total") == 1
    assert value("case_actions_rejected_total", code="no_case") == 1
    assert value("dead_letters_total", reason="not_json") == 1
    assert value("dead_letters_total", reason="invalid") == 0
    assert value("notice_answers_total", outcome="not_me") == 1
    assert value("case_labels_total") == 3
    assert value("case_alerts_unlabelled_total") == 1
    assert value("open_cases", partition="0") == 7
    assert value("service_level_cases", partition="0", queue="takeover", level="warned") == 3
    assert value("service_level_cases", partition="0", queue="takeover", level="breached") == 0
    assert value("service_level_cases", partition="0", queue="", level="within") == 4
    assert value("lag_records", partition="0") == 5
    assert value("view_behind_cases") == 2
    assert value("view_lost") == 1


def test_a_partition_that_is_revoked_is_no_longer_reported() -> None:
    registry = CollectorRegistry()
    telemetry = CasesTelemetry(registry, version="1.2.3")
    telemetry.on_assigned([0, 1])
    for partition in (0, 1):
        telemetry.on_service_levels(partition, levels={("takeover", "within"): 1})
    telemetry.on_assigned([1])
    metric = next(each for each in registry.collect() if each.name == "fraudstream_service_level_cases")
    assert {each.labels["partition"] for each in metric.samples} == {"1"}


def test_the_agent_is_ready_once_its_cases_are_recovered() -> None:
    telemetry = CasesTelemetry(CollectorRegistry(), version="1.2.3")
    telemetry.on_assigned([0])
    assert telemetry.ready() == "recovering 1 of 1 partitions, 0 %"
    telemetry.on_recovery(0, seconds=0.1, cases=12)
    assert telemetry.ready() is None


def test_the_agent_is_not_ready_while_it_recovers_partitions_that_it_had_before() -> None:
    telemetry = CasesTelemetry(CollectorRegistry(), version="1.2.3")
    for _ in range(2):
        telemetry.on_revoked()
        assert telemetry.ready() is not None
        telemetry.on_assigned([0])
        assert telemetry.ready() == "recovering 1 of 1 partitions, 0 %"
        telemetry.on_recovering(1, of=1, share=0.5)
        assert telemetry.ready() == "recovering 1 of 1 partitions, 50 %"
        telemetry.on_recovery(0, seconds=0.1, cases=12)
        assert telemetry.ready() is None
