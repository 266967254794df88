"""What the worker gets of the command line's settings."""

from __future__ import annotations

from fraudstream.cli.settings import Override, load_settings
from fraudstream.cli.worker import stream_settings


def test_a_worker_keeps_the_name_it_was_given_over_restarts() -> None:
    settings = load_settings(overrides=[Override("worker.group_instance_id", "worker-7", "--set")])
    assert stream_settings(settings).group_instance_id == "worker-7"
    assert stream_settings(load_settings()).group_instance_id is None
