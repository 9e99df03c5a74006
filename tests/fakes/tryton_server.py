"""A real Tryton on a loopback port, from the environment that `make tryton` installs."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import httpx

from serving.crm.tryton.writer import TrytonCrm
from tests.fakes.postgres_cluster import free_port

ROOT = Path(__file__).resolve().parents[2]
MODULE = ROOT / "examples" / "tryton" / "leadscore_scores"
BIN = ROOT / ".venv-tryton" / "bin"
BATCH = 200
START_S = 240  # importing Tryton takes seconds on a quiet machine and minutes on a busy one
USER, PASSWORD, DATABASE = "admin", "leadscore-test", "crm"  # of a throw-away database on loopback
_files: dict[str, Path] = {}  # address -> the server's database


def missing() -> str | None:
    """Say what is not there; None where Tryton can be started."""
    there = (BIN / "trytond").exists() and (BIN / "trytond-admin").exists()
    return None if there else "Tryton is not installed here: run `make tryton`"


@contextmanager
def running(folder: Path) -> Iterator[str]:
    """Serve a copy of the initialised database from `folder`; give the address with database."""
    shutil.copy(_template(), folder / f"{DATABASE}.sqlite")
    port = free_port()
    config = _config(folder, port)
    with (folder / "tryton.log").open("wb") as log:
        process = subprocess.Popen(
            [BIN / "trytond", "-c", config, "-d", DATABASE], stdout=log, stderr=log, cwd=folder
        )
    try:
        url = f"http://127.0.0.1:{port}/{DATABASE}"
        _wait_for(url, process)
        _files[url] = folder / f"{DATABASE}.sqlite"
        yield url
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def database(url: str) -> Path:
    """Find the SQLite file of a Tryton that `running` started."""
    return _files[url]


def populate(crm: TrytonCrm, leads: int, sources: Sequence[str] = ()) -> list[str]:
    """Make a company and leads in it, described by where they came from; give their ids."""
    currency = crm.rpc(
        "model.currency.currency.create", [{"name": "Euro", "code": "EUR", "symbol": "E"}]
    )[0]
    party = crm.rpc("model.party.party.create", [{"name": "Us"}])[0]
    company = crm.rpc("model.company.company.create", [{"party": party, "currency": currency}])[0]
    found = crm.rpc("model.res.user.search_read", [["login", "=", USER]], 0, 1, None, ["id"])
    user = {"companies": [["add", [company]]], "company": company}
    crm.rpc("model.res.user.write", [found[0]["id"]], user)
    names = [{"name": f"Company {i}"} for i in range(leads)]
    day = {"__class__": "date", "year": 2026, "month": 1, "day": 2}
    rows = [
        {"party": each, "company": company, "currency": currency, "start_date": day}
        for each in crm.rpc("model.party.party.create", names)
    ]
    for row, source in zip(rows, sources, strict=False):
        row["description"] = source
    made: list[str] = []
    for start in range(0, len(rows), BATCH):  # no request may take as long as a time-out
        some = rows[start : start + BATCH]
        answer = crm.rpc("model.sale.opportunity.create", some, context={"company": company})
        made += [str(each) for each in answer]
    return made


def note(crm: TrytonCrm, leads: Sequence[str], message: str) -> None:
    """Write a note on each of these leads."""
    rows = [{"resource": f"sale.opportunity,{lead}", "message": message} for lead in leads]
    crm.rpc("model.ir.note.create", rows)


def _wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    body = {"id": 0, "method": "common.db.login", "params": [USER, {"password": PASSWORD}]}
    until = time.monotonic() + START_S
    while time.monotonic() < until:
        if process.poll() is not None:
            raise RuntimeError("trytond ended at once")
        try:
            if httpx.post(f"{url}/rpc/", json=body, timeout=START_S).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise RuntimeError(f"trytond does not answer within {START_S} s")


def _config(folder: Path, port: int) -> Path:
    path = folder / "trytond.conf"
    path.write_text(
        f"[database]\nuri = sqlite://\npath = {folder}\n[web]\nlisten = 127.0.0.1:{port}\n"
        "[session]\nauthentications = password\n",
        encoding="utf-8",
    )
    return path


def _template() -> Path:
    """Initialise a database once; it is kept under .state, named by what it was made from."""
    made_from = b"".join(path.read_bytes() for path in sorted(MODULE.glob("*.*")))
    made_from += (ROOT / "requirements-tryton.lock").read_bytes()
    folder = ROOT / ".state" / "tryton"
    done = folder / f"{sha256(made_from).hexdigest()[:16]}.sqlite"
    if not done.exists():
        folder.mkdir(parents=True, exist_ok=True)
        _initialise(folder, done)
    return done


def _initialise(folder: Path, done: Path) -> None:
    modules = next((BIN.parent / "lib").glob("python3*")) / "site-packages" / "trytond" / "modules"
    shutil.copytree(MODULE, modules / MODULE.name, dirs_exist_ok=True)
    work = folder / f"work-{os.getpid()}"
    work.mkdir()
    (work / f"{DATABASE}.sqlite").touch()
    (work / "password").write_text(PASSWORD, encoding="utf-8")
    config = _config(work, 1)
    for more in (
        ["--all", "--email", "admin@example.com"],
        ["-u", "sale_opportunity", MODULE.name, "--activate-dependencies"],
    ):
        subprocess.run(
            [BIN / "trytond-admin", "-c", config, "-d", DATABASE, *more],
            env={**os.environ, "TRYTONPASSFILE": str(work / "password")},
            check=True,
            capture_output=True,
        )
    (work / f"{DATABASE}.sqlite").replace(done)
    shutil.rmtree(work)
