"""`lists.yaml`: declares the lists that rules may read, and what their entries are.

    lists:
      stolen_devices:
        of: device_id            # a text field of the payment, or ip_network: networks that `ip` may be in
        kind: deny               # deny, watch or allow: its purpose; rules decide what follows from it
        description: devices reported stolen by their owners

The entries themselves are records of the log: `fraudstream lists add`.
"""

from __future__ import annotations

import re

from fraudstream.engine.contract_check import value_fault
from fraudstream.engine.document import Node
from fraudstream.engine.expression import (
    NETWORKS,
    PAYMENT_FIELDS,
    WORDS_OF,
    Type,
    ValueList,
)
from fraudstream.engine.networks import network_text

KINDS = ("deny", "watch", "allow")
LISTS_MAX = 100
FIELDS = (
    *(name for name, type_ in PAYMENT_FIELDS.items() if type_ is Type.TEXT and name not in {*WORDS_OF, "currency"}),
    NETWORKS,
)

_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")


def read_lists(root: Node) -> dict[str, ValueList]:
    """The declared lists of a document, by name. Faults are added to the document's."""
    top = root.entries("lists.yaml", ("lists",), ("lists",))
    nodes = top["lists"].entries("lists") if "lists" in top else {}
    if len(nodes) > LISTS_MAX:
        root.fault(f"{len(nodes)} lists are too many: at most {LISTS_MAX}.")
    found: dict[str, ValueList] = {}
    for name, node in nodes.items():
        if not _NAME.fullmatch(name):
            node.fault(f"'{name[:70]}' can't be the name of a list: small letters, digits and '_'.")
        entries = node.entries(f"list '{name}'", ("of", "kind", "description"), ("of", "kind", "description"))
        if len(entries) == 3:
            of = entries["of"].choice("of", FIELDS)
            kind = entries["kind"].choice("kind", KINDS)
            found[name] = ValueList(of, kind, " ".join(entries["description"].word("description").split()))
    return found


def entry_value(declared: ValueList, value: str) -> str:
    """The value of an entry in canonical form, in which it is put on the list and taken off it.

    Raises `ValueError` with a sentence if no payment can have the value, so that the entry would never count.

    >>> entry_value(ValueList("ip_network", "deny", ""), "2001:DB8::/32")
    '2001:db8::/32'
    """
    if declared.holds_networks:
        return network_text(value)
    if declared.field == "ip" and "/" in value:
        raise ValueError("ip is never a network. For networks declare the list with 'of: ip_network'.")
    sentence = value_fault(declared.field, value)
    if sentence is not None:
        raise ValueError(sentence)
    return value
