"""A process -> a name that no later process with the same pid gets, and whether it still runs."""

from __future__ import annotations

import os
import socket


def this_process() -> str:
    """Name this process: machine, pid, and when it started."""
    pid = os.getpid()
    return f"{socket.gethostname()}:{pid}:{_started(pid)}"


def is_dead(owner: str) -> bool:
    """Tell whether the owner was a process of this machine that has ended."""
    host, _, rest = owner.rpartition(":")[0].rpartition(":")
    if not owner:
        return True
    started = owner.rpartition(":")[2]
    if host != socket.gethostname() or started == "?":
        return False
    return _started(int(rest)) != started


def _started(pid: int) -> str:
    """Tell when a process started, in ticks since boot, so that a reused pid is not mistaken."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            fields = file.read().rpartition(")")[2].split()
    except OSError:
        return "?"
    return "" if fields[0] == "Z" else fields[19]
