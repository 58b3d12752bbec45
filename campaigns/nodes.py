"""Names of processes that dial, by which a restarted one knows its dead predecessor.

A name says machine boot, process namespace, process id and start time: the same id in the same namespace of the same
boot that no longer runs, or that started at another time, is surely dead. Of any other name nothing can be told; its
leases must run out.
"""

from __future__ import annotations

import os
from pathlib import Path

_PROC = Path("/proc")
_NAME_LENGTH = 16


def _world() -> str:
    """This boot and process namespace, empty where the system does not tell them."""
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text()[:8]
        namespace = (_PROC / "self/ns/pid").stat().st_ino
    except OSError:
        return ""
    return f"{boot}.{namespace}"


def _started(pid: int) -> str | None:
    """When a running process started, in clock ticks after boot (proc(5)); None when it does not run."""
    try:
        stat = (_PROC / str(pid) / "stat").read_text()
    except OSError:
        return None
    state, *fields = stat.rpartition(")")[2].split()
    # A zombie has ended; only its parent has not looked yet.
    return None if state in {"Z", "X"} else fields[18]


def node_name(name: str, pid: int | None = None) -> str:
    """The name of this process in the attempt ledger (at most 64 characters)."""
    pid = os.getpid() if pid is None else pid
    return f"{name[:_NAME_LENGTH]}/{_world()}.{pid}.{_started(pid) or 0}"


def surely_dead(node: str) -> bool:
    """Whether the process of that name is known to run no more."""
    rest, _, started = node.rpartition("/")[2].rpartition(".")
    world, _, pid = rest.rpartition(".")
    if not world or world != _world() or not pid.isdecimal():
        return False
    return _started(int(pid)) != started


def shown_name(node: str) -> str:
    """The part of a node's name that its settings gave it, as far as the name keeps it."""
    return node.partition("/")[0][:_NAME_LENGTH]


def is_cut(name: str) -> bool:
    """Whether a name of settings is longer than what nodes keep of it, so that others may be called alike."""
    return "/" not in name and len(name) > _NAME_LENGTH


def machine(node: str) -> str:
    """What tells a node's machine (its boot), empty where the system does not tell it."""
    return node.partition("/")[2].partition(".")[0]
