"""Column mappings: how the columns of a file map to the fields of a payment, declared in YAML.

`load_mapping` takes the name of a shipped mapping (`examples/mappings/<name>.yaml`) or a path. YAML scalars are read
as text, so that `Yes` and `1` match the values of a file. An invalid mapping raises `MappingError` with the file and
the path of the fault.
"""

from __future__ import annotations

import string
import typing
from pathlib import Path
from typing import Annotated, Any

import msgspec
import yaml

from fraudstream.contracts.currency import EXPONENTS
from fraudstream.contracts.fields import Channel, Direction, Kind
from fraudstream.contracts.nearest_name import nearest
from fraudstream.contracts.timestamps import parse_utc_ms

ROW = "row"  # in a template: the row number, counted from 1 after the header
_INSTALLED = Path(__file__).parents[1] / "shipped" / "mappings"  # location of examples/mappings in the wheel
_CHECKOUT = Path(__file__).parents[2] / "examples" / "mappings"


class MappingError(ValueError):
    """An invalid mapping. `path`: its file or name; `sentence`: what is wrong."""

    def __init__(self, path: str, sentence: str) -> None:
        super().__init__(f"{path}: {sentence}")
        self.path = path
        self.sentence = sentence


class _Source(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The source of a value: exactly one of a `column`, a `constant`, or a `template` with columns in braces."""

    column: str | None = None
    constant: str | None = None
    template: str | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the file that this source reads."""
        if self.column is not None:
            return (self.column,)
        return tuple(name for name in template_columns(self.template or "") if name != ROW)


class Sign(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The values for a positive and a negative amount of the column; zero counts as positive."""

    positive: str
    negative: str


class TextSource(_Source, frozen=True):
    """Source of a text field.

    `values`: translation of the column's values ('' = missing); `otherwise`: translation of all other values, without
    which an unlisted value is a fault. `starting_with`: values without this prefix are missing. `sign`: the value is
    derived from the sign of the column. `pad`: left-pad with zeros to this length.
    """

    values: dict[str, str] | None = None
    otherwise: str | None = None
    starting_with: str | None = None
    sign: Sign | None = None
    pad: Annotated[int, msgspec.Meta(ge=0, le=128)] = 0


class TimeSource(_Source, frozen=True):
    """Source of an event time: a timestamp column, text in ISO 8601 or `format` (strptime), or a count of `unit`.

    `since`: start of the count in ISO 8601, by default the Unix epoch. Times without a zone are UTC.
    """

    format: str | None = None
    unit: typing.Literal["milliseconds", "seconds", "minutes", "hours", "days"] | None = None
    since: str | None = None


class AmountSource(_Source, frozen=True):
    """Source of an amount in major units.

    `strip`: characters to remove ('$,'). `absolute`: drop the sign. `round`: round half to even to the currency's
    decimals; without it more decimals are a fault.
    """

    strip: str = ""
    absolute: bool = False
    round: bool = False


class AttributeSource(_Source, frozen=True):
    """Source of an attribute, with the type of its values."""

    type: typing.Literal["text", "number", "bool"] = "text"


class LabelSource(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The label column and its values for fraud, genuine and unlabelled. An empty value is unlabelled."""

    column: str
    fraud: tuple[str, ...]
    genuine: tuple[str, ...]
    unlabelled: tuple[str, ...] = ()


class PaymentSources(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A source for each field of `contracts.Payment`."""

    event_id: TextSource
    occurred_at: TimeSource
    account_id: TextSource
    amount: AmountSource
    currency: TextSource
    direction: TextSource
    kind: TextSource | None = None
    channel: TextSource | None = None
    partner_id: TextSource | None = None
    merchant_id: TextSource | None = None
    mcc: TextSource | None = None
    terminal_id: TextSource | None = None
    counterparty_id: TextSource | None = None
    counterparty_bank: TextSource | None = None
    device_id: TextSource | None = None
    ip: TextSource | None = None
    country: TextSource | None = None
    lat: TextSource | None = None
    lon: TextSource | None = None
    card_present: TextSource | None = None
    balance_before: AmountSource | None = None
    balance_after: AmountSource | None = None
    attributes: dict[str, AttributeSource] | None = None
    relates_to: TextSource | None = None


class Mapping(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A complete mapping.

    `sorted_by_time`: whether files of this data set are usually in order of time; it affects only the wording of an
    error, the order of every file is checked.
    """

    title: str
    payment: PaymentSources
    source: str = ""
    notes: str = ""
    sorted_by_time: bool = True
    label: LabelSource | None = None
    name: str = ""

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column that is read, each once, in the order of the mapping."""
        names: dict[str, None] = {}
        for _, source in self.sources():
            names.update(dict.fromkeys(source.columns))
        if self.label is not None:
            names[self.label.column] = None
        return tuple(names)

    def sources(self) -> list[tuple[str, _Source]]:
        """Field name and source of every mapped field; attributes as `attributes.<name>`."""
        found: list[tuple[str, _Source]] = []
        for field in self.payment.__struct_fields__:
            value = getattr(self.payment, field)
            if isinstance(value, dict):
                found += [(f"attributes.{name}", source) for name, source in value.items()]
            elif value is not None:
                found.append((field, value))
        return found


def load_mapping(name_or_path: str) -> Mapping:
    """The shipped mapping of this name, or the mapping in this .yaml file. Raises `MappingError`."""
    path = Path(name_or_path)
    if path.suffix not in (".yaml", ".yml"):
        shipped = shipped_mappings()
        if name_or_path not in shipped:
            raise MappingError(
                name_or_path,
                f"no mapping of this name.{nearest(name_or_path, shipped)} There are {', '.join(shipped)}; "
                "or give a .yaml file.",
            )
        path = shipped[name_or_path]
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise MappingError(str(path), f"can't be read: {error}.") from error
    return parse_mapping(text, str(path))


def shipped_mappings() -> dict[str, Path]:
    """Path of every mapping that comes with fraudstream, by name."""
    directory = _INSTALLED if _INSTALLED.is_dir() else _CHECKOUT
    return {path.stem: path for path in sorted(directory.glob("*.yaml"))}


def parse_mapping(text: str, path: str) -> Mapping:
    """The mapping in a YAML text; `path` names it in errors. Raises `MappingError`."""
    try:
        content: Any = yaml.load(text, Loader=yaml.BaseLoader)
    except yaml.YAMLError as error:
        raise MappingError(path, f"is not YAML: {' '.join(str(error).split())}.") from error
    try:
        mapping = msgspec.convert(content, Mapping, strict=False)
    except msgspec.ValidationError as error:
        raise MappingError(path, f"{error}.") from error
    for field, source in mapping.sources():
        _check_source(path, field, source)
    return msgspec.structs.replace(mapping, name=mapping.name or Path(path).stem)


def template_columns(template: str) -> list[str]:
    """The names in braces of a template, in order: `'{User}-{Card}'` gives `['User', 'Card']`."""
    return [name for _, name, _, _ in string.Formatter().parse(template) if name is not None]


_CHOICES: dict[str, tuple[str, ...]] = {
    "direction": typing.get_args(Direction),
    "kind": typing.get_args(Kind),
    "channel": typing.get_args(Channel),
    "card_present": ("true", "false"),
}


def choices_of(field: str) -> tuple[str, ...]:
    """The values that a payment field may have; empty if it is not an enumeration."""
    return _CHOICES.get(field, ())


def _check_source(path: str, field: str, source: _Source) -> None:
    def fault(sentence: str) -> MappingError:
        return MappingError(path, f"payment.{field}: {sentence}")

    given = [name for name in ("column", "constant", "template") if getattr(source, name) is not None]
    if len(given) != 1:
        raise fault(f"needs one of column, constant and template, has {' and '.join(given) or 'none'}.")
    if source.template is not None:
        try:
            names = template_columns(source.template)
        except ValueError as error:
            raise fault(f"template {source.template!r}: {error}.") from error
        if not names or not all(names):
            raise fault(f"template {source.template!r} has no column in braces.")
    if isinstance(source, TimeSource):
        if source.since is not None and source.unit is None:
            raise fault("since needs a unit.")
        if source.since is not None:
            try:
                parse_utc_ms(source.since, zone_required=False)
            except ValueError as error:
                raise fault(f"since is {source.since!r}, which is not a time in ISO 8601.") from error
        if source.unit is not None and source.format is not None:
            raise fault("has both unit and format; give one of them.")
    if isinstance(source, TextSource):
        results = [source.constant] if source.constant is not None else []
        results += [value for value in (source.values or {}).values() if value]
        results += [source.sign.positive, source.sign.negative] if source.sign else []
        results += [source.otherwise] if source.otherwise else []
        choices = choices_of(field) or (tuple(EXPONENTS) if field == "currency" else ())
        for value in results:
            if choices and value not in choices:
                raise fault(f"{value!r} is not a valid value.{nearest(value, choices)}")
        if source.otherwise is not None and source.values is None:
            raise fault("otherwise needs values.")
