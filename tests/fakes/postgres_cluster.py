"""A temporary PostgreSQL cluster on a loopback port, started as a user that is not root."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path


def binary(name: str) -> str | None:
    """Find a server binary on PATH or where Debian keeps them."""
    debian = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), reverse=True)
    return shutil.which(name) or next((str(path) for path in debian), None)


def missing() -> str | None:
    """Say which binary is not there; None where a cluster can be started."""
    absent = [name for name in ("initdb", "pg_ctl", "postgres") if binary(name) is None]
    return f"no PostgreSQL server here: {', '.join(absent)} not found" if absent else None


@contextmanager
def cluster() -> Iterator[str]:
    """Start a cluster; give the address of its database `postgres`."""
    folder = Path(tempfile.mkdtemp(prefix="leadscore-postgres-"))
    user = other_user("postgres")
    if user:
        os.chown(folder, user.pw_uid, user.pw_gid)
    port = free_port()
    options = (
        f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off"
        " -c max_wal_size=4GB"
    )
    data = str(folder / "data")
    try:
        _run(
            [str(binary("initdb")), "-D", data, "-A", "trust", "-U", "postgres", "-E", "UTF8"], user
        )
        log = str(folder / "log")
        _run([str(binary("pg_ctl")), "-D", data, "-o", options, "-l", log, "-w", "start"], user)
        try:
            yield f"postgresql://postgres@127.0.0.1:{port}/postgres"
        finally:
            _run([str(binary("pg_ctl")), "-D", data, "-m", "immediate", "-w", "stop"], user)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def other_user(name: str) -> pwd.struct_passwd | None:
    """Choose whom to be where we are root, which no database server runs as: `name`, or nobody."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name: entry for entry in pwd.getpwall()}
    return names.get(name) or names["nobody"]


def _run(command: Sequence[str], user: pwd.struct_passwd | None) -> None:
    done = subprocess.run(
        command,
        user=user.pw_uid if user else None,
        group=user.pw_gid if user else None,
        extra_groups=[] if user else None,
        cwd="/",
        env={**os.environ, "LC_ALL": "C.UTF-8", "TZ": "UTC"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{Path(command[0]).name} failed: {done.stderr.strip()[-500:]}")


def free_port() -> int:
    """Find a port of loopback that nobody uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
