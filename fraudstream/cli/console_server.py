"""The console as a process: its listener, served until a signal."""

from __future__ import annotations

import asyncio
import logging
import ssl
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from fraudstream.cli.case_agent import agent_settings
from fraudstream.cli.command_process import command_of, environment_of
from fraudstream.cli.failure import Failure
from fraudstream.cli.history import can_read
from fraudstream.cli.listener import listener_at
from fraudstream.cli.settings import Settings
from fraudstream.cli.worker import stream_settings
from fraudstream.contracts.error_text import error_text
from fraudstream.supervision import exit_codes

if TYPE_CHECKING:
    from fraudstream.console.settings import RuleSettings
    from fraudstream.history.reader import HistoryReader

log = logging.getLogger(__name__)


def run_server(settings: Settings, *, as_json: bool, rebuild: bool) -> int:
    """Serve until SIGTERM or SIGINT. `rebuild`: throw the index of cases away first. Raises `Failure`."""
    from fraudstream.console.search.disk_index import IndexInUseError
    from fraudstream.console.server import serve
    from fraudstream.telemetry.logs import set_up_logs

    set_up_logs(settings.log.level, "json" if as_json else "human")
    web, agent = (
        settings.console.server_settings(settings.topics.audit, settings.evidence.file_bytes_max),
        agent_settings(settings),
    )
    rules = rule_settings(settings)
    with listener_at(web.host, web.port, "console") as listener:
        host, port = listener.getsockname()[:2]
        scheme = "https" if web.tls_certificate_file is not None else "http"
        address = f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"
        try:
            with history_of(settings) as history:
                asyncio.run(
                    serve(
                        web,
                        agent,
                        rules,
                        listener,
                        lambda: log.info("console at %s", address),
                        history,
                        settings.evidence.store(),
                        rebuild=rebuild,
                    )
                )
        except IndexInUseError as error:
            raise Failure(f"{error}: set console.index_directory to another directory for each console.") from error
        except (OSError, ssl.SSLError) as error:
            raise Failure(f"the console has failed: {error_text(error)}.") from error
        except ValueError as error:
            raise Failure(f"redis.url: {error}.") from error
    return exit_codes.DONE


@contextmanager
def history_of(settings: Settings) -> Iterator[HistoryReader | None]:
    """The history store of `history.directory`, which may not be there yet; None if no directory is set, or the
    package that reads it is missing."""
    if settings.history.directory is None:
        yield None
    elif not can_read():
        log.warning("the history needs the package duckdb: pip install 'fraudstream[history]'")
        yield None
    else:
        from fraudstream.history.reader import HistoryReader

        reader = HistoryReader(settings.history.root())
        try:
            yield reader
        finally:
            reader.close()


def rule_settings(settings: Settings) -> RuleSettings:
    """What the console needs for the pages of rules. Trials run as commands with the settings in force here."""
    from fraudstream.console.rules.trials import TrialSettings
    from fraudstream.console.settings import RuleSettings

    web = settings.console
    trials = TrialSettings(
        command=[sys.executable, "-m", *command_of()],
        environment=environment_of(settings),
        hours=web.trial_hours,
        warm_up_days=web.trial_warm_up_days,
        file=web.trial_file,
        mapping=web.trial_mapping,
    )
    return RuleSettings(stream_settings(settings), Path(settings.rules.directory), trials)
