"""Objects come into the store as files do: the contract server of S3 says which version it has."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from data.errors import OutsideError
from data.project import load_project
from data.reading import object_files, object_store
from data.reading.read_tables import read_with_notes
from data.store import csv_runs, sealed
from data.store.crm_store import CrmStore
from serving.parts.plan_parts import bytes_of_sources
from serving.session import open_session
from tests.fakes.growing_company import GrowingCompany
from tests.fakes.s3_server import ACCESS, SECRET, S3Server, s3_server
from tests.fakes.same_reading import assert_same
from tests.golden.product import leadscore

HEAD = 64


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Server]:
    monkeypatch.setattr(object_store, "WAITS_S", (0.0, 0.0))
    monkeypatch.setattr(object_files, "_HEAD", HEAD)
    monkeypatch.setattr(sealed, "_HEAD", HEAD)
    monkeypatch.setattr(csv_runs, "WORTH_KEEPING", 0)
    with s3_server() as server:
        for name, value in server.environment().items():
            monkeypatch.setenv(name, value)
        yield server


@pytest.fixture
def company(tmp_path: Path, s3: S3Server) -> GrowingCompany:
    company = GrowingCompany.begin(tmp_path / "crm", 3)
    away = company.folder / "away.toml"
    text = re.sub(
        r'source = "(\w+\.csv)"', r'source = "s3://acme/crm/\1"', company.file.read_text()
    )
    text = text.replace("touches.csv", "touches*.csv")
    away.write_text(text.replace("[leads]", '[network]\nallow = ["127.0.0.1"]\n[leads]', 1))
    upload(company, s3)
    return company


def upload(company: GrowingCompany, s3: S3Server) -> None:
    for path in company.folder.glob("*.csv"):
        s3.put(f"crm/{path.name}", path.read_bytes())


def test_what_comes_in_step_by_step_is_what_the_same_files_say(
    company: GrowingCompany, s3: S3Server, tmp_path: Path
) -> None:
    here, away = load_project(company.file), load_project(company.folder / "away.toml")
    store = CrmStore(tmp_path / "store")
    for step in ("", "append", "edit", "delete"):
        company.step(step)
        upload(company, s3)
        assert_same(store.read(away), read_with_notes(here))  # built, or taken in
        s3.fetched()
        assert_same(store.read(away), read_with_notes(here))  # out of the store
        assert s3.fetched() == {"crm/leads.csv": HEAD}  # for the key alone


def test_of_many_objects_only_a_new_one_and_a_replaced_one_are_read(
    company: GrowingCompany, s3: S3Server, tmp_path: Path
) -> None:
    away = load_project(company.folder / "away.toml")
    store = CrmStore(tmp_path / "store")
    store.read(away)
    head, rows = s3.buckets["acme"]["crm/touches.csv"].split(b"\n", 1)
    s3.put("crm/touches-2.csv", head + b"\n" + rows)
    s3.put("crm/calls.csv", s3.buckets["acme"]["crm/calls.csv"] + b"L001,2026-02-01 10:00:00\n")
    s3.fetched()
    read = store.read(away)
    fetched = s3.fetched()
    sizes = {key: len(body) for key, body in s3.buckets["acme"].items()}
    whole = {key for key, count in fetched.items() if count >= sizes[key]}
    kept = {"crm/touches.csv", "crm/history.csv", "crm/payments.csv", "crm/deals.csv"}
    assert whole == sizes.keys() - kept  # of leads and accounts all columns are asked for
    assert_same(read, read_with_notes(away))


def test_a_store_that_fails_midway_leaves_the_old_reading(
    company: GrowingCompany, s3: S3Server, tmp_path: Path
) -> None:
    away, folder = load_project(company.folder / "away.toml"), tmp_path / "store"
    before = CrmStore(folder).read(away)
    kept = {path.name: path.read_bytes() for path in folder.iterdir()}
    body = s3.buckets["acme"]["crm/touches.csv"]
    s3.put("crm/touches.csv", body + body.split(b"\n", 1)[1])
    s3.faults = [""] * 20 + ["503 SlowDown"] * 500
    with pytest.raises(OutsideError, match="SlowDown"):
        CrmStore(folder).read(away)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == kept
    s3.faults.clear()
    s3.put("crm/touches.csv", body)
    s3.fetched()
    assert_same(CrmStore(folder).read(away), before)
    assert s3.fetched() == {"crm/leads.csv": HEAD}


def test_commands_say_of_objects_what_they_say_of_the_same_files(
    company: GrowingCompany, s3: S3Server
) -> None:
    here, away = (leadscore("check", company.folder / f"{n}.toml") for n in ("growing", "away"))
    said = away.out.replace("s3://acme/crm/touches*", "touches").replace("touches*", "touches")
    assert (away.code, said.split()) == (here.code, here.out.split())
    assert "touches*.csv" in away.out
    session = open_session(company.folder / "away.toml")
    assert bytes_of_sources(session) == bytes_of_sources(open_session(company.file))
    s3.may_read = False
    refused = leadscore("check", company.folder / "away.toml")
    assert refused.code == 4
    assert "no right to read it (HTTP 403 AccessDenied)" in refused.err
    assert not any(word in refused.err for word in (ACCESS, SECRET, "Traceback"))


def test_no_key_is_kept_in_the_store(company: GrowingCompany, s3: S3Server, tmp_path: Path) -> None:
    CrmStore(tmp_path / "store").read(load_project(company.folder / "away.toml"))
    assert s3.fetched()
    held = b"".join(path.read_bytes() for path in (tmp_path / "store").iterdir())
    assert ACCESS.encode() not in held
    assert SECRET.encode() not in held
