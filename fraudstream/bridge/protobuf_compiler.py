"""Compiles a registry's .proto texts with Google's compiler, in a process of its own: whatever a text makes of the
compiler, the bridge goes on."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Final

from fraudstream.contracts.error_text import error_text
from fraudstream.formats.wire_format import RegisteredSchema

COMPILE_S_MAX: Final = 30.0
_OWN: Final = "__message__.proto"  # the schema's own file, which a registry does not name
_ERROR: Final = re.compile(rf"{_OWN}:(?P<line>\d+):(?P<column>\d+): (?!warning)(?P<what>.+)")

# What Confluent's registry knows without being told; google/protobuf comes with the compiler. Written from the public
# descriptions of the messages: name and number of each field.
_DECIMAL: Final = """syntax = "proto3";
package confluent.type;
message Decimal { bytes value = 1; uint32 precision = 2; int32 scale = 3; }
"""
BUILT_IN: Final = {
    "google/type/money.proto": """syntax = "proto3";
package google.type;
message Money { string currency_code = 1; int64 units = 2; int32 nanos = 3; }
""",
    "google/type/decimal.proto": """syntax = "proto3";
package google.type;
message Decimal { string value = 1; }
""",
    "google/type/date.proto": """syntax = "proto3";
package google.type;
message Date { int32 year = 1; int32 month = 2; int32 day = 3; }
""",
    "confluent/type/decimal.proto": _DECIMAL,
    "confluent/types/decimal.proto": _DECIMAL,
    "confluent/meta.proto": """syntax = "proto3";
package confluent;
import "google/protobuf/descriptor.proto";
message Meta { string doc = 1; map<string, string> params = 2; repeated string tags = 3; }
extend google.protobuf.FileOptions { Meta file_meta = 1088; }
extend google.protobuf.MessageOptions { Meta message_meta = 1088; }
extend google.protobuf.FieldOptions { Meta field_meta = 1088; }
extend google.protobuf.EnumOptions { Meta enum_meta = 1088; }
extend google.protobuf.EnumValueOptions { Meta enum_value_meta = 1088; }
""",
}


def compiled_descriptors(schema: RegisteredSchema) -> bytes:
    """As `CompilesProtobuf`. Blocks for some tenths of a second. Raises `ValueError`, with a sentence."""
    if find_spec("grpc_tools") is None:
        raise ValueError("the package grpcio-tools is not installed: pip install 'fraudstream[formats]'.")
    files = {**BUILT_IN, **{_checked(each.name): each.text for each in schema.references}, _OWN: schema.text}
    with TemporaryDirectory(prefix="fraudstream-proto-") as directory:
        sources, out = Path(directory) / "sources", Path(directory) / "descriptors"
        for name, text in files.items():
            _write(sources / name, text)
        options = [f"--proto_path={sources}", "--include_imports", f"--descriptor_set_out={out}"]
        # `main` adds google/protobuf/*.proto, which come with the package, to what can be imported.
        words = [sys.executable, "-I", "-m", "grpc_tools.protoc", *options, _OWN]
        try:
            done = subprocess.run(words, capture_output=True, timeout=COMPILE_S_MAX, stdin=subprocess.DEVNULL)
        except subprocess.TimeoutExpired:
            raise ValueError(f"the compiler did not end within {COMPILE_S_MAX:.0f} s.") from None
        if done.returncode != 0:
            raise ValueError(_first_error(done.stderr))
        return out.read_bytes()


def _checked(name: str) -> str:
    """The name of a file that another one imports. Raises `ValueError` for one outside of the sources."""
    path = PurePosixPath(name)
    if not path.parts or path.is_absolute() or ".." in path.parts or "\0" in name or path.parts[0] == _OWN:
        raise ValueError(f"it refers to a file {name!r}, which is no relative path.")
    return name


def _write(path: Path, text: str) -> None:
    """Raises `ValueError` if there is no such file, as its name is too long, or one is a directory of another."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except (OSError, UnicodeEncodeError) as error:
        raise ValueError(f"the file '{path.name}' can't be written for the compiler: {error_text(error)}.") from error


def _first_error(said: bytes) -> str:
    """What the compiler says first of a file, as a sentence, with line and column."""
    text = said.decode(errors="replace")
    found = _ERROR.search(text)
    if found is not None:
        return f"line {found['line']}, column {found['column']} of its text: {found['what'].rstrip('.')}."
    lines = [line for line in text.splitlines() if ".proto: " in line]
    return f"{lines[0].strip().rstrip('.')}." if lines else "the compiler failed."
