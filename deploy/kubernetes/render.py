"""Render the plain manifests from the chart: `render.py [DIRECTORY]`, by default `plain` beside this file. Needs helm.

One file a part, as `helm template` gives it with plain.values.yaml.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
KUBERNETES = "1.30.0"  # the oldest that the chart installs on
HEADER = "# Rendered from deploy/kubernetes/chart by deploy/kubernetes/render.py: change the chart, not this file.\n"
NAMESPACE = """\
apiVersion: v1
kind: Namespace
metadata:
  name: fraudstream
  labels:
    pod-security.kubernetes.io/enforce: restricted
"""


def rendered() -> dict[str, str]:
    """The plain manifests: text by file name. Raises `CalledProcessError` where helm refuses the chart."""
    command = ["helm", "template", "fraudstream", "chart", "--namespace", "fraudstream", "--kube-version", KUBERNETES]
    output = subprocess.run(
        [*command, "--values", "plain.values.yaml"], cwd=HERE, check=True, stdout=subprocess.PIPE, text=True
    ).stdout
    files = {"namespace.yaml": HEADER + NAMESPACE}
    for document in re.split(r"^---\n", output, flags=re.MULTILINE):
        if source := re.match(r"# Source: fraudstream/templates/(\S+)\n", document):
            text = re.sub(r"[ \t]+$", "", document[source.end() :], flags=re.MULTILINE)
            files[source[1]] = files.get(source[1], HEADER) + "---\n" + text
    return files


def main(directory: Path) -> None:
    """Write the files; remove others."""
    files = rendered()
    directory.mkdir(exist_ok=True)
    for path in directory.glob("*.yaml"):
        if path.name not in files:
            path.unlink()
    for name, text in files.items():
        (directory / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "plain")
