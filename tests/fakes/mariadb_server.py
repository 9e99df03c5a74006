"""A temporary MariaDB on a loopback port, started as a user that is not root."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pymysql

from tests.fakes.postgres_cluster import free_port, other_user

START_S = 120
DATABASE = "crm"


def binary(name: str) -> str | None:
    """Find a server binary on PATH or where Debian keeps it."""
    return shutil.which(name) or shutil.which(name, path="/usr/sbin")


def missing() -> str | None:
    """Say which binary is not there; None where a server can be started."""
    absent = [name for name in ("mariadbd", "mariadb-install-db") if binary(name) is None]
    return f"no MariaDB server here: {', '.join(absent)} not found" if absent else None


@contextmanager
def running() -> Iterator[str]:
    """Start a server; give the address of its database `crm`, user root without a password."""
    folder = Path(tempfile.mkdtemp(prefix="leadscore-mariadb-"))
    user = other_user("mysql")
    if user:
        os.chown(folder, user.pw_uid, user.pw_gid)
    whose = [f"--user={user.pw_name}"] if user else []
    data, port = folder / "data", free_port()
    try:
        subprocess.run(
            [
                str(binary("mariadb-install-db")),
                "--no-defaults",
                f"--datadir={data}",
                *whose,
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
            ],
            check=True,
            capture_output=True,
        )
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [
                    str(binary("mariadbd")),
                    "--no-defaults",
                    f"--datadir={data}",
                    *whose,
                    f"--port={port}",
                    "--bind-address=127.0.0.1",
                    f"--socket={folder / 'socket'}",
                    f"--pid-file={folder / 'pid'}",
                ],
                stdout=log,
                stderr=log,
            )
        try:
            _make_database(port, process)
            yield f"mysql+pymysql://root@127.0.0.1:{port}/{DATABASE}?charset=utf8mb4"
        finally:
            process.kill()
            process.wait()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _make_database(port: int, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + START_S
    while time.monotonic() < until and process.poll() is None:
        try:
            with pymysql.connect(host="127.0.0.1", port=port, user="root") as connection:
                connection.cursor().execute(f"CREATE DATABASE {DATABASE} CHARACTER SET utf8mb4")
            return
        except pymysql.OperationalError:
            time.sleep(0.1)
    raise RuntimeError(f"mariadbd does not answer within {START_S} s")
