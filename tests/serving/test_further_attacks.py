"""Holes that a second attack found: each once, so that none comes back."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import shutil
import tarfile
import time
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
import pyarrow as pa
import pytest

from data.errors import InputError, LeadScoreError, OutsideError
from data.network import require_named
from data.private import hide_contacts
from data.project import check_project
from data.reading.csv_files import csv_header, read_csv
from data.reading.sources import from_frame, read_source
from data.reading.values import attribute_values
from data.schema import Project
from data.schema_people import PeopleSection
from data.schema_types import Source
from models.artifact import read_extra
from serving.guard_record import GuardRecord
from serving.http.keys import read_keys
from serving.people.provider import Provider
from serving.upkeep.backup import restore
from tests.fakes.november_state import November
from training.state import StatePaths
from training.state_format import format_of


def project_in(folder: Path, **sections: Any) -> Project:
    static = {
        "project": {"name": "t"},
        "leads": {"source": "*.csv", "id": "id", "converted": "y"},
        "conversion": {},
        "folder": str(folder),
        **sections,
    }
    return check_project(static)


def test_a_hundred_thousand_columns_are_read_or_refused_in_a_moment(tmp_path: Path) -> None:
    names = [f"c{i}" for i in range(100_000)]
    wide = tmp_path / "wide.csv"
    wide.write_text(",".join(names) + "\n" + ",".join("1" * len(names)) + "\n")
    twice = tmp_path / "twice.csv"
    twice.write_text(",".join([*names, "c99999"]) + "\n")
    began = time.process_time()
    assert csv_header(wide, delimiter=",", encoding="utf-8") == names
    some = read_csv(wide, delimiter=",", encoding="utf-8", columns=names[::-1][:50_000])
    assert some.num_columns == 50_000
    with pytest.raises(InputError, match=r"twice\.csv, row 1, column c99999: column name stands"):
        csv_header(twice, delimiter=",", encoding="utf-8")
    assert time.process_time() - began < 20


@pytest.mark.parametrize("end", ["@", "b c", " ", "\0"])
def test_a_megabyte_that_nearly_is_an_address_holds_nobody_up(end: str) -> None:
    """A field of a web form: 16 KB took 1.5 s, and four times that for twice as much."""
    text = "x@" + "a." * 499_000 + end
    began = time.process_time()
    hidden = hide_contacts(pa.chunked_array([[text, "ann@x.example"]])).to_pylist()
    assert hidden[1].startswith("address ")
    assert "@a." not in hidden[0]
    assert time.process_time() - began < 5


def test_a_folder_whose_name_looks_like_a_pattern_is_a_folder(tmp_path: Path) -> None:
    folder, other = tmp_path / "acme [1]", tmp_path / "acme 1"
    for place, text in ((folder, "id,y\nours,1\n"), (other, "id,y\ntheirs,1\n")):
        place.mkdir()
        (place / "leads.csv").write_text(text)
    found = read_source(Source(source="*.csv"), project_in(folder)).table
    assert found["id"].to_pylist() == ["ours"]


@pytest.mark.parametrize(
    "address",
    ["64:ff9b::a9fe:a9fe", "::a9fe:a9fe", "2002:a9fe:a9fe::1", "fd00:ec2::254", "fe80::1"],
)
def test_the_metadata_of_a_cloud_is_reached_by_no_spelling_in_ipv6(address: str) -> None:
    with pytest.raises(InputError, match="link-local"):
        require_named(f"http://[{address}]/latest", (address,))


@pytest.mark.parametrize("address", ["::1", "fd00::1", "64:ff9b::a00:1", "2001:db8::1"])
def test_other_addresses_in_ipv6_are_reached_once_named(address: str) -> None:
    require_named(f"http://[{address}]/latest", (address,))


@pytest.mark.parametrize(
    ("people", "says"),
    [
        ({"proxies": ["0.0.0.0/0"]}, "believes whoever calls"),
        ({"proxies": ["::/0"]}, "believes whoever calls"),
        ({"proxies": ["10.0.0.2"], "header": "Host"}, "any browser sends"),
        ({"proxies": ["10.0.0.2"], "header": "x-forwarded-for"}, "any browser sends"),
        ({"proxies": ["10.0.0.2"], "header": "Cookie"}, "any browser sends"),
    ],
)
def test_a_proxy_that_is_anybody_and_a_header_that_anybody_sends_are_refused(
    tmp_path: Path, people: dict[str, Any], says: str
) -> None:
    with pytest.raises(InputError, match=says):
        project_in(tmp_path, people={"sign_in": "proxy", **people})


def test_usual_proxies_and_headers_are_taken(tmp_path: Path) -> None:
    for header in ("X-Remote-User", "X-Forwarded-User", "Cf-Access-Authenticated-User-Email"):
        people = {"sign_in": "proxy", "proxies": ["10.0.0.0/8", "fd00::/16"], "header": header}
        assert project_in(tmp_path, people=people).people.header == header


@pytest.mark.parametrize("name", ["token_endpoint", "jwks_uri", "authorization_endpoint"])
def test_a_provider_over_tls_whose_keys_come_without_is_refused(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who stands between could else answer with keys of their own."""
    issuer = "https://login.example"
    described = {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}/a",
        "token_endpoint": f"{issuer}/t",
        "jwks_uri": f"{issuer}/k",
        name: "http://login.example/x",
    }
    monkeypatch.setattr(httpx, "request", lambda *_, **__: httpx.Response(200, json=described))
    section = PeopleSection(
        sign_in="oidc", issuer=issuer, client_id="x", url="https://leads.example"
    )
    provider = Provider(section, tmp_path / "people.sqlite", ("login.example",))
    with pytest.raises(OutsideError, match=f"{name} without TLS"):
        provider.begin(goes_to="/", at=0)


def hostile(place: Path, kind: str) -> Path:
    """Write an archive with one entry that no backup holds."""
    entry, body = tarfile.TarInfo("scores.parquet"), b"x" * 512
    if kind == "sparse":
        entry.type = tarfile.GNUTYPE_SPARSE
    if kind == "nul":
        entry.pax_headers = {"path": "scores\0.parquet"}
    entry.size = 10**15 if kind == "huge" else len(body)
    raw = entry.tobuf(tarfile.PAX_FORMAT if kind == "nul" else tarfile.GNU_FORMAT)
    archive = place / f"{kind}.tar.gz"
    archive.write_bytes(gzip.compress(raw + body + bytes(1024)))
    return archive


@pytest.mark.parametrize("kind", ["sparse", "huge", "nul"])
def test_an_archive_that_fills_the_disk_or_names_no_file_is_refused_and_leaves_nothing(
    tmp_path: Path, kind: str
) -> None:
    state = StatePaths(tmp_path / "place" / "state")
    with pytest.raises(LeadScoreError) as caught:
        restore(state, "t", hostile(tmp_path, kind))
    assert "\n" not in str(caught.value)
    assert list((tmp_path / "place").iterdir()) == []


def test_what_a_killed_restore_left_is_cleared_and_nothing_of_another_state(tmp_path: Path) -> None:
    """A state folder whose name looks like a pattern clears its own leftovers alone."""
    place = tmp_path / "place"
    ours, other = place / ".s[ab].x.part", place / ".sa.x.part"
    for left in (ours, other):
        left.mkdir(parents=True)
    with pytest.raises(InputError):
        restore(StatePaths(place / "s[ab]"), "t", tmp_path / "none.tar.gz")
    assert not ours.exists()
    assert other.exists()


def test_a_gzip_of_nothing_is_a_damaged_backup(tmp_path: Path) -> None:
    archive = tmp_path / "a.tar.gz"
    archive.write_bytes(gzip.compress(io.BytesIO().getvalue()))
    with pytest.raises(InputError, match="is damaged"):
        restore(StatePaths(tmp_path / "s"), "t", archive)


def test_json_of_an_artifact_nested_ten_thousand_deep_is_one_line(tmp_path: Path) -> None:
    """Its hash may be right; Python's parser gives up with an error of its own."""
    company = November.unpack(tmp_path)
    own = next((company.state / "mlartifacts").rglob("manifest.json")).parent
    folder = Path(shutil.copytree(own, tmp_path / "model"))
    deep = b"[" * 10_000 + b"]" * 10_000
    (folder / "facts.json").write_bytes(deep)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"]["facts.json"] = hashlib.sha256(deep).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(InputError, match=r"facts\.json: is nested too deeply"):
        read_extra(folder, "facts.json")


@pytest.mark.parametrize("name", ["api_keys.json", "guard.json", "state.json"])
def test_a_state_file_nested_ten_thousand_deep_is_one_line(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("[" * 10_000 + "]" * 10_000)
    read = {
        "api_keys.json": lambda: read_keys(tmp_path / name),
        "guard.json": lambda: GuardRecord.read(tmp_path),
        "state.json": lambda: format_of(StatePaths(tmp_path)),
    }
    with pytest.raises(LeadScoreError):
        read[name]()


def test_true_is_no_number_where_the_model_knows_one(tmp_path: Path) -> None:
    raw = from_frame(pd.DataFrame({"amount": [None, True, False]}, dtype="boolean"), "leads")
    with pytest.raises(InputError, match=r"leads, row 2, column amount: is no number: true"):
        attribute_values(raw, "amount", project_in(tmp_path), "number")
    assert attribute_values(raw, "amount", project_in(tmp_path)) is not None


def test_an_address_that_became_a_level_is_not_kept_by_the_guard(tmp_path: Path) -> None:
    words = "column source: 700 leads have the new level 'by ann.bird@aviary.example'"
    stopped = {"at": "2026-11-01T00:00:00+00:00", "breaches": [words]}
    GuardRecord(None, stopped, ()).write(tmp_path)
    assert "ann.bird" not in (tmp_path / "guard.json").read_text()
    assert GuardRecord.read(tmp_path).stopped["at"] == "2026-11-01T00:00:00+00:00"
