"""The network of one or several accounts as a drawing in columns: they, what they shared, with whom, and a hop more.

Every node has a row of its own in its column, so labels never overlap. Rows are in the order of their neighbours in the
column before, which leaves few lines crossing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple
from unicodedata import east_asian_width

from markupsafe import Markup

from fraudstream.console.plots.svg import drawing, element
from fraudstream.console.shown_text import plain_value
from fraudstream.history.network import Network, Value

COLUMN_WIDTH: Final = 164
ROW_HEIGHT: Final = 19
NAME_LENGTH: Final = 19
CHARACTER_WIDTH: Final = 7.0
_MARGIN: Final = 10

Node = tuple[str, str]  # kind and id


class Place(NamedTuple):
    """Where a node is drawn."""

    x: float
    y: float


def network_graph(
    network: Network,
    title: str,
    href: Callable[[str, str], str],
    shown: Callable[[str, str], str],
    kind_name: Callable[[str], str],
    is_marked: Callable[[str], bool],
) -> Markup:
    """The drawing. `title`: what it shows, in words. `href`: the page of a kind and id. `shown`: that id
    as it is shown. `kind_name`: the word for a
    kind. `is_marked`: whether an account stands out, as one that has cases."""
    columns, edges = columns_of(network)
    places = placed(columns)
    height = ROW_HEIGHT * max(map(len, columns)) + 2 * _MARGIN
    width = COLUMN_WIDTH * len(columns)
    lines = [_line(*sorted(((places[one], shown(*one)), (places[other], shown(*other))))) for one, other in edges]
    nodes = [_node(node, place, href, shown, kind_name, is_marked) for node, place in places.items()]
    return drawing(title, width, height, *lines, *nodes, class_="network", has_links=True)


def columns_of(network: Network) -> tuple[list[list[Node]], list[tuple[Node, Node]]]:
    """The nodes of each column, in order, and the pairs that a line joins."""
    columns: list[list[Node]] = [[("account", each) for each in network.accounts]]
    column_of: dict[Node, int] = dict.fromkeys(columns[0], 0)
    edges: list[tuple[Node, Node]] = []
    for hop in network.hops:
        joined = [(("account", account), value) for account, value in hop.edges]
        for new in (list[Node](hop.values), [("account", account) for account in hop.accounts]):
            if new:
                column_of |= dict.fromkeys(new, len(columns))
                columns.append(_ordered(new, columns[-1], joined))
        edges += [(account, value) for account, value in joined if account in column_of and value in column_of]
    return columns, edges


def placed(columns: Sequence[Sequence[Node]]) -> dict[Node, Place]:
    """The place of each node: its column's nodes lie one below the other, in the middle of the drawing's height."""
    most = max(map(len, columns))
    return {
        node: Place(_MARGIN + COLUMN_WIDTH * number, _MARGIN + ROW_HEIGHT * (row + 0.5 + (most - len(column)) / 2))
        for number, column in enumerate(columns)
        for row, node in enumerate(column)
    }


def _ordered(new: Sequence[Node], before: Sequence[Node], edges: Sequence[tuple[Node, Value]]) -> list[Node]:
    """The nodes by the mean row of their neighbours in the column before."""
    rows: Mapping[Node, int] = {node: row for row, node in enumerate(before)}

    def mean(node: Node) -> float:
        neighbours = [
            rows[a if b == node else b] for a, b in edges if node in (a, b) and (a if b == node else b) in rows
        ]
        return sum(neighbours) / len(neighbours) if neighbours else float(len(before))

    return sorted(new, key=lambda node: (mean(node), node))


def _line(left: tuple[Place, str], right: tuple[Place, str]) -> Markup:
    """A line from behind the label of the left node to the right one, so that it crosses neither label."""
    (begin, name), (end, _) = left, right
    width = CHARACTER_WIDTH * sum(1 + (east_asian_width(each) in "WF") for each in _short(name))
    return element("line", x1=begin.x + 14 + width, y1=begin.y, x2=end.x - 7, y2=end.y, class_="edge")


def _node(
    node: Node,
    place: Place,
    href: Callable[[str, str], str],
    shown: Callable[[str, str], str],
    kind_name: Callable[[str], str],
    is_marked: Callable[[str], bool],
) -> Markup:
    kind, name = node
    label = shown(kind, name)
    if kind == "account":
        shape = element("circle", cx=place.x, cy=place.y, r=5, class_="marked" if is_marked(name) else "node")
    else:
        shape = element("rect", x=place.x - 5, y=place.y - 5, width=10, height=10, class_="value-node")
    return element(
        "a",
        element("title", f"{kind_name(kind)} {plain_value(label)}"),
        shape,
        element("text", _short(label), x=place.x + 9, y=place.y + 4, class_="name"),
        href=href(kind, name),
    )


def _short(name: str) -> str:
    """A label, cut to the room that there is in its column; a wide character counts twice."""
    shown, width, short = plain_value(name), 0, ""
    for each in shown:
        width += 1 + (east_asian_width(each) in "WF")
        if width > NAME_LENGTH:
            return f"{short[:-1]}…"
        short += each
    return shown
