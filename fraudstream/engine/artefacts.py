"""`artefacts.yaml`: the binary files, such as models, that belong to a rule set, each named by the digest of its bytes.

    artefacts:
      velocity_trees:
        digest: 3f0c…            # BLAKE2b-256 of the bytes, 64 hex digits; `b2sum -l 256 FILE` prints it
        description: gradient-boosted trees on velocities, trained on 2026 Q1

Texts hold the digest only. The bytes are the file `artefacts/DIGEST` of a rules directory, and chunked records of the
topic `controls`. The caller that compiles the rule set passes them in; they are verified against the digest here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from fraudstream.contracts.artefact import artefact_digest
from fraudstream.engine.document import DocumentErrors, Node, read_document

ARTEFACTS = "artefacts.yaml"
ARTEFACTS_DIRECTORY = "artefacts"
ARTEFACTS_MAX = 20
ARTEFACT_BYTES_MAX = 64 << 20

_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Artefact:
    """A binary file of a rule set. `digest`: `artefact_digest` of `content`."""

    name: str
    digest: str
    content: bytes


def artefacts_named(texts: Mapping[str, str]) -> frozenset[str]:
    """Digests of the artefacts that the files of a rule set name, to be fetched before it is compiled.

    `texts`: as for `compile_rule_set`. Empty where `artefacts.yaml` is missing or faulty: compiling reports the fault.
    """
    if ARTEFACTS not in texts:
        return frozenset()
    try:
        return frozenset(digest for _, digest in _declarations(read_document(texts[ARTEFACTS], ARTEFACTS)).values())
    except DocumentErrors:
        return frozenset()


def read_artefacts(root: Node, contents: Mapping[str, bytes]) -> dict[str, Artefact]:
    """The artefacts of a document by name, with their bytes. Faults are added to the document's.

    `contents`: bytes by digest. An artefact whose bytes are missing, or have another digest, is a fault.
    """
    found: dict[str, Artefact] = {}
    for name, (node, digest) in _declarations(root).items():
        content = contents.get(digest)
        if content is None:
            node.fault(
                f"the bytes of artefact '{name}' are missing: put them into the file {ARTEFACTS_DIRECTORY}/{digest}."
            )
        elif (actual := artefact_digest(content)) != digest:
            node.fault(f"the bytes given for artefact '{name}' have the digest {actual}. Restore the original file.")
        elif len(content) > ARTEFACT_BYTES_MAX:
            node.fault(f"artefact '{name}' has {len(content):,} bytes; at most {ARTEFACT_BYTES_MAX:,} are allowed.")
        else:
            found[name] = Artefact(name, digest, content)
    return found


def digests(artefacts: Iterable[Artefact]) -> dict[str, str]:
    """Digest by name: all that a rule set's digest needs to know of its artefacts."""
    return {artefact.name: artefact.digest for artefact in artefacts}


def _declarations(root: Node) -> dict[str, tuple[Node, str]]:
    """By name: the node of the digest, and the digest. Declarations with a fault are left out."""
    top = root.entries(ARTEFACTS, ("artefacts",), ("artefacts",))
    nodes = top["artefacts"].entries("artefacts") if "artefacts" in top else {}
    if len(nodes) > ARTEFACTS_MAX:
        root.fault(f"{len(nodes)} artefacts are too many: at most {ARTEFACTS_MAX}.")
    found: dict[str, tuple[Node, str]] = {}
    for name, node in nodes.items():
        if not _NAME.fullmatch(name):
            node.fault(f"'{name[:70]}' can't be the name of an artefact: small letters, digits and '_'.")
        entries = node.entries(f"artefact '{name}'", ("digest", "description"), ("digest",))
        if "digest" not in entries:
            continue
        digest = entries["digest"].word("digest")
        if _DIGEST.fullmatch(digest):
            found[name] = entries["digest"], digest
        else:
            entries["digest"].fault(f"a digest has 64 hex digits in small letters, not '{digest[:70]}'.")
    return found
