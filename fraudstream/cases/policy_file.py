"""Reads the file of the setting `cases.policy`."""

from __future__ import annotations

from decimal import DecimalException
from pathlib import Path

import msgspec
import yaml

from fraudstream.cases.policy import CasePolicy
from fraudstream.contracts.error_text import system_error_text


class PolicyError(Exception):
    """A policy that cannot be used; the message is a sentence with the file and the place."""


def read_policy(path: Path) -> CasePolicy:
    """The policy in a YAML file. Raises `PolicyError`."""
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
        return msgspec.convert(document, CasePolicy)
    except OSError as error:
        raise PolicyError(f"{path}: cannot be read: {system_error_text(error)}.") from error
    except yaml.YAMLError as error:
        raise PolicyError(f"{path}: is not YAML: {' '.join(str(error).split())}.") from error
    except (msgspec.ValidationError, DecimalException, UnicodeDecodeError) as error:
        raise PolicyError(f"{path}: {str(error).rstrip('.')}.") from error
