"""A pod of the manifests, run on this machine without Kubernetes: Linux gives its limits.

As in the cluster: the arguments, environment and files of the manifest, its user id, no capabilities, a root file
system that is read-only but for the mounts of the manifest, the memory limit, process id 1. Otherwise than there:
Python and the program are those of this machine, the network is the host's, there is no seccomp profile. Needs root and
control groups (version 1 or 2).
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final
from uuid import uuid4

from tests.unit.deploy.manifests import Object, Workload, config_of

ROOT: Final = Path(__file__).parents[3]
UNITS: Final = {"Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30}
PYTHON: Final = str(Path(sys.prefix).resolve() / "bin" / "python")
SHOWN_READ_ONLY: Final = ("/usr", "/bin", "/sbin", "/lib", "/lib64", "/opt")  # of this machine, if it has them

# Runs in namespaces of its own: builds the root file system, gives all rights up, becomes the program.
ENTER = r"""
set -eu
umask 022
root=$1; uid=$2; gid=$3; shown=$4; writable=$5; compiled=$6; shift 6
mount -t tmpfs -o size=16m,mode=755 root "$root"
for path in $shown; do
    if [ -L "$path" ]; then ln -s "$(readlink "$path")" "$root$path"; continue; fi
    mkdir -p "$root$path"
    mount --bind "$path" "$root$path"
    mount -o remount,bind,ro "$root$path"
done
mkdir -p "$root/proc" "$root/dev" "$root/etc/fraudstream"
mount -t proc proc "$root/proc"
for device in null zero random urandom; do
    touch "$root/dev/$device"
    mount --bind "/dev/$device" "$root/dev/$device"
done
cp /etc/hosts /etc/nsswitch.conf /etc/ld.so.cache "$root/etc/" 2>/dev/null || true
cp -R "$root.etc/." "$root/etc/fraudstream"
chmod -R a+rX "$root/etc"
if [ -d "$root.secrets" ]; then
    mkdir -p "$root/run/secrets"
    cp -R "$root.secrets" "$root/run/secrets/fraudstream"
    chgrp -R "$gid" "$root/run/secrets"
    chmod 0440 "$root/run/secrets/fraudstream"/*
fi
for path in $writable; do
    mkdir -p "$root$path"
    mount -t tmpfs -o "size=256m,mode=770,uid=0,gid=$gid" volume "$root$path"
done
if [ -n "$compiled" ]; then
    cp -R "$compiled" "$root/var/cache/fraudstream/"
    chown -R "$uid:$gid" "$root/var/cache/fraudstream/"
fi
mount -o remount,ro "$root"
exec chroot "$root" setpriv --reuid "$uid" --regid "$gid" --clear-groups --no-new-privs --bounding-set=-all \
    --inh-caps=-all env -i "$@"
"""


def why_not() -> str | None:
    """Why pods cannot be run here; None if they can."""
    if os.geteuid() != 0:
        return "needs root"
    missing = [name for name in ("unshare", "setpriv", "chroot") if shutil.which(name) is None]
    if missing:
        return f"needs {', '.join(missing)}"
    if subprocess.run(["unshare", "--mount", "--pid", "--fork", "true"], capture_output=True).returncode != 0:
        return "may not make namespaces"
    return None if _memory_groups() is not None else "may not make control groups"


def _memory_groups() -> tuple[Path, str, str] | None:
    """Where groups with a limit of memory are made, the file of the limit, and that of the peak."""
    for parent, limit, peak in (
        (Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes", "memory.max_usage_in_bytes"),
        (Path("/sys/fs/cgroup"), "memory.max", "memory.peak"),
    ):
        trial = parent / f"fraudstream-{uuid4().hex[:8]}"
        try:
            trial.mkdir()
        except OSError:
            continue
        there = (trial / limit).exists()
        trial.rmdir()
        if there:
            return parent, limit, peak
    return None


class Pod:
    """One running pod. `environment`: beside that of the manifest. `entry_point`: the command in place of the image's.

    `secrets`: the keys of its Secret. `compiled`: a folder of compiled code for its cache. `shown`: more paths of this
    machine that the program needs.
    """

    def __init__(
        self,
        objects: Sequence[Object],
        workload: Workload,
        directory: Path,
        environment: Mapping[str, str],
        *,
        secrets: Mapping[str, str] | None = None,
        compiled: Path | None = None,
        entry_point: Sequence[str] = (PYTHON, "-P", "-m", "fraudstream.cli.main"),
        shown: Sequence[str] = (str(ROOT), str(Path(sys.prefix).resolve()), sys.base_prefix),
    ) -> None:
        """Start it."""
        groups = _memory_groups()
        assert groups is not None
        parent, limit, self._peak = groups
        self.group = parent / f"fraudstream-{workload.part}-{uuid4().hex[:8]}"
        self.group.mkdir()
        (self.group / limit).write_text(str(_bytes(workload.container["resources"]["limits"]["memory"])))
        root = directory / f"{workload.part}-{uuid4().hex[:8]}"
        root.mkdir()
        for path, text in config_of(objects, workload).items():
            (file := root.with_name(f"{root.name}.etc") / path).parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        if secrets:
            (folder := root.with_name(f"{root.name}.secrets")).mkdir()
            for name, text in secrets.items():
                (folder / name).write_text(text)
        security, container = workload.pod["securityContext"], workload.container
        writable = [each["mountPath"] for each in container["volumeMounts"] if not each.get("readOnly")]
        variables = {"PATH": os.environ["PATH"], **workload.environment(), **environment}
        self.log = directory / f"{root.name}.log"
        paths = [path for path in (*SHOWN_READ_ONLY, *shown) if os.path.lexists(path)]
        with self.log.open("wb") as log:
            self._outer = subprocess.Popen(
                [
                    *("sh", "-c", f'echo $$ > "{self.group}/cgroup.procs"; exec "$@"', "sh"),
                    *("unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child"),
                    *("sh", "-c", ENTER, "sh", str(root), str(security["runAsUser"]), str(security["fsGroup"])),
                    *(" ".join(dict.fromkeys(paths)), " ".join(writable), str(compiled or "")),
                    *(f"{name}={value}" for name, value in variables.items()),
                    *entry_point,
                    *container["args"],
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def wait(self, seconds: float) -> int:
        """The exit code, once it has ended. Raises `TimeoutExpired`."""
        return self._outer.wait(seconds)

    def running(self) -> bool:
        """Whether it has not ended."""
        return self._outer.poll() is None

    def stop(self, seconds: float) -> int:
        """Send SIGTERM to process 1 of the pod, as Kubernetes does; returns the exit code. Raises `TimeoutExpired`."""
        children = Path(f"/proc/{self._outer.pid}/task/{self._outer.pid}/children").read_text().split()
        os.kill(int(children[0]), signal.SIGTERM)
        return self.wait(seconds)

    def peak_bytes(self) -> int:
        """The most memory that it has had, page cache included."""
        return int((self.group / self._peak).read_text())

    def remove(self) -> None:
        """Kill it, if it runs, and remove its group."""
        if self.running():
            self._outer.kill()  # its process 1 gets the signal, too
            self._outer.wait()
        self.group.rmdir()

    def output(self) -> str:
        """What the program has printed."""
        return self.log.read_text(errors="replace")


def _bytes(quantity: str) -> int:
    return int(quantity[:-2]) * UNITS[quantity[-2:]]
