"""Objects are read as files are, from a contract server of S3 that Arrow's client reads too."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import fs

from data.errors import InputError, LeadScoreError, OutsideError
from data.project import check_project
from data.reading import object_store
from data.reading.object_files import RangeReader, objects_of
from data.reading.s3_signature import S3Keys, sign
from data.reading.sources import column_names, read_source
from data.schema import Project
from data.schema_types import Source
from tests.fakes.s3_server import ACCESS, REGION, SECRET, S3Server, s3_server

CSV = b"id,city\n007,Rome\n008,\xc3\x89vry\n"


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Server]:
    with s3_server() as server:
        for name, value in server.environment().items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(object_store, "WAITS_S", (0.0, 0.01))
        yield server


def project(source: str = "leads.csv", allow: tuple[str, ...] = ("127.0.0.1",)) -> Project:
    leads = {"source": source, "id": "id", "converted": "won"}
    named = {"project": {"name": "acme"}, "network": {"allow": list(allow)}, "leads": leads}
    named["conversion"] = {}
    return check_project(named)


def read(source: str, **keys: str) -> pa.Table:
    return read_source(Source(source=source, **keys), project()).table


def test_the_contract_server_is_one_that_arrows_own_client_of_s3_reads_from(s3: S3Server) -> None:
    for number in range(5):
        s3.put(f"a b/été+{number}.csv", CSV * number)
    s3.page = 2
    client = fs.S3FileSystem(
        access_key=ACCESS, secret_key=SECRET, region=REGION, endpoint_override=s3.url
    )
    listed = client.get_file_info(fs.FileSelector("acme/a b"))
    assert [(each.path, each.size) for each in listed] == [
        (f"acme/a b/été+{number}.csv", len(CSV) * number) for number in range(5)
    ]
    with client.open_input_file("acme/a b/été+2.csv") as file:
        assert file.read_at(10, 5) == (CSV * 2)[5:15]
    with client.open_input_stream("acme/a b/été+2.csv") as stream:
        own = objects("s3://acme/a b/été+2.csv")[0]
        assert stream.read() == CSV * 2
        assert own.etag.encode() in stream.metadata().values()
    wrong = fs.S3FileSystem(
        access_key=ACCESS, secret_key="other", region=REGION, endpoint_override=s3.url
    )
    with pytest.raises(OSError, match=r"ACCESS_DENIED|SIGNATURE_DOES_NOT_MATCH|403"):
        wrong.open_input_file("acme/a b/été+2.csv")


def objects(source: str):
    return objects_of(source, ["127.0.0.1"])


PUBLISHED = [
    (
        "/test.txt",
        {},
        {"range": "bytes=0-9"},
        "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
    ),
    (
        "/",
        {"max-keys": "2", "prefix": "J"},
        {},
        "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
    ),
]


@pytest.mark.parametrize(("path", "query", "headers", "signature"), PUBLISHED)
def test_requests_are_signed_as_in_the_examples_that_aws_publishes(
    path: str, query: dict[str, str], headers: dict[str, str], signature: str
) -> None:
    sent = sign(
        "GET",
        "examplebucket.s3.amazonaws.com",
        path,
        query=query,
        headers=headers,
        keys=S3Keys("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
        region="us-east-1",
        now=datetime(2013, 5, 24, tzinfo=UTC),
    )
    assert sent["authorization"].endswith(f"Signature={signature}")


def test_an_object_reads_as_the_same_file_does(s3: S3Server, tmp_path: Path) -> None:
    table = pa.table(
        {"id": [f"L{i}" for i in range(20_000)], "n": range(20_000), "odd": [[1]] * 20_000}
    )
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=3_000)
    contents = {
        "a.csv": CSV,
        "b.csv.gz": gzip.compress(b"sep=;\nid;city\n" + b"1;Rome\n" * 50_000),
        "c.csv": "id,città\n1,Évry\n".encode("utf-16"),
        "large.csv": b"id,n\n" + b"".join(b"%d,%d\n" % (i, i) for i in range(300_000)),
        "a.parquet": (tmp_path / "a.parquet").read_bytes(),
    }
    for name, body in contents.items():
        (tmp_path / name).write_bytes(body)
        s3.put(f"odd names/é +%20 (1)/{name}", body)
        away = Source(source=f"s3://acme/odd names/é +%20 (1)/{name}")
        here, own = Source(source=name), project().model_copy(update={"folder": str(tmp_path)})
        assert column_names(away, own) == column_names(here, own)
        for columns in (None, ["id"]):
            there = read_source(away, own, columns=columns)
            disk = read_source(here, own, columns=columns)
            assert there.table.equals(disk.table)
            assert (there.name, there.parts, there.unread) == (disk.name, disk.parts, disk.unread)


def test_of_a_parquet_object_only_the_columns_that_are_asked_for_come_over(s3: S3Server) -> None:
    sink = pa.BufferOutputStream()
    table = pa.table({"id": range(200_000), "text": [f"{i * 7919:040d}" for i in range(200_000)]})
    pq.write_table(table, sink, compression="none", use_dictionary=False)
    s3.put("a.parquet", sink.getvalue().to_pybytes())
    (file,) = objects("s3://acme/a.parquet")
    read_source(Source(source="s3://acme/a.parquet"), project(), columns=["id"])
    ends = [asked.removeprefix("bytes=").split("-") for _, _, asked in s3.asked if asked]
    assert sum(int(last) - int(first) + 1 for first, last in ends) < 0.5 * file.size


def test_a_pattern_takes_all_objects_of_one_folder_in_the_order_of_their_names(
    s3: S3Server,
) -> None:
    s3.page = 3
    for day in (3, 1, 2, 10):
        s3.put(f"touches/2026-{day:02d}.csv", b"id\n%d\n" % day)
    s3.put("touches/old/2026-00.csv", b"id\n0\n")
    s3.put("touches/2026-.csv/", b"")
    assert read("s3://acme/touches/2026-*.csv")["id"].to_pylist() == ["1", "2", "3", "10"]
    with pytest.raises(InputError, match=r"s3://acme/touches/2027-\*\.csv: no object has such"):
        read("s3://acme/touches/2027-*.csv")


def test_a_wrong_cell_is_named_by_object_and_line(s3: S3Server) -> None:
    s3.put("crm/leads.csv", b"id,city\n1,Rome\n2,Oslo,x\n")
    with pytest.raises(InputError, match=r"^leads\.csv, row 3: has 3 fields, the header has 2"):
        read("s3://acme/crm/leads.csv")
    s3.put("crm/leads.parquet", b"PAR1 and nothing more")
    with pytest.raises(InputError, match=r"^leads\.parquet: is no readable Parquet file"):
        read("s3://acme/crm/leads.parquet")
    for empty in ("leads.csv", "leads.parquet"):
        s3.put(f"crm/{empty}", b"")
        with pytest.raises(InputError, match=rf"^{empty}: is empty"):
            read(f"s3://acme/crm/{empty}")


REFUSALS = [
    ("s3://nobucket/leads.csv", [], 2, "s3://nobucket/leads.csv: no such bucket; correct `source`"),
    ("s3://acme/nothere.csv", [], 2, "s3://acme/nothere.csv: no such object; correct `source`"),
    ("s3://acme/leads.csv", ["", "500"] * 3, 0, ""),  # tried again
    ("s3://acme/leads.csv", ["503 SlowDown"] * 9, 4, "127.0.0.1:{port} answers HTTP 503 SlowDown"),
    ("s3://acme/leads.csv", ["drop"] * 9, 4, "127.0.0.1:{port}: no connection"),
    ("s3://acme/leads.csv", ["redirect"] * 9, 2, "127.0.0.1:{port} sends elsewhere (HTTP 307"),
    (
        "s3://acme/leads.csv",
        ["403 ExpiredToken"] * 9,
        4,
        "no right to read it (HTTP 403 ExpiredToken)",
    ),
    ("s3://acme/leads.csv", ["403 <b>&\x1b[0m"] * 9, 4, "no right to read it (HTTP 403)"),
    (
        "s3://acme/l*.csv",
        ["403 AccessDenied"] * 9,
        4,
        "no right to read it (HTTP 403 AccessDenied)",
    ),
]


@pytest.mark.parametrize(("source", "faults", "code", "says"), REFUSALS)
def test_what_a_store_refuses_is_one_line_that_holds_no_key(
    s3: S3Server, source: str, faults: list[str], code: int, says: str
) -> None:
    s3.put("leads.csv", CSV)
    s3.faults = list(faults)
    if not code:
        assert read(source).num_rows == 2
        return
    with pytest.raises(LeadScoreError) as caught:
        read(source)
    text = str(caught.value)
    assert caught.value.exit_code == code
    assert says.format(port=s3.port) in text
    assert "\n" not in text
    assert not any(word in text for word in (ACCESS, SECRET, "Traceback", "told at length"))
    assert all(path != "/elsewhere" for _, path, _ in s3.asked)


def test_wrong_keys_half_a_pair_and_none_are_told_apart(
    s3: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    s3.put("leads.csv", CSV)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    with pytest.raises(OutsideError, match=r"SignatureDoesNotMatch\); look at the keys"):
        read("s3://acme/leads.csv")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "")
    with pytest.raises(InputError, match="AWS_ACCESS_KEY_ID is set and AWS_SECRET_ACCESS_KEY is"):
        read("s3://acme/leads.csv")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    with pytest.raises(OutsideError, match=r"AccessDenied\); export AWS_ACCESS_KEY_ID"):
        read("s3://acme/leads.csv")
    s3.public = True
    assert read("s3://acme/leads.csv").num_rows == 2
    assert SECRET not in repr(objects("s3://acme/leads.csv"))


def test_another_region_is_named(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    s3.put("leads.csv", CSV)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    with pytest.raises(InputError, match="bucket is in region eu-test-1; export AWS_REGION=eu-te"):
        read("s3://acme/leads.csv")


def test_a_store_that_never_ends_its_answer_is_left(
    s3: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    s3.put("leads.csv", CSV)
    monkeypatch.setattr(object_store, "_READ_S", 0.1)
    s3.faults = ["hang"] * 9
    with pytest.raises(OutsideError, match=r"127\.0\.0\.1:\d+: time-out"):
        read("s3://acme/leads.csv")


def test_an_object_that_is_replaced_while_it_is_read_is_never_mixed(s3: S3Server) -> None:
    for name, body in (("a.csv", b"id\n" + b"1\n" * 500_000), ("a.parquet", _parquet())):
        s3.put(name, body)
        (file,) = objects(f"s3://acme/{name}")
        with file.open("rb") as reader:
            assert reader.read(70_000) == body[:70_000]
            s3.put(name, b"2" * len(body))
            with pytest.raises(OutsideError, match="was replaced while it was read"):
                reader.read(400_000)
        s3.put(name, body)
        s3.before_get = [(name, body), (name, b"x" * len(body))]
        with pytest.raises(OutsideError, match=f"s3://acme/{name} was replaced while it was read"):
            read(f"s3://acme/{name}")


def _parquet() -> bytes:
    sink = pa.BufferOutputStream()
    rows = pa.table({"id": [f"{i * 7919:020d}" for i in range(40_000)]})
    pq.write_table(rows, sink, compression="none", use_dictionary=False)
    return sink.getvalue().to_pybytes()


def test_no_host_is_asked_that_the_project_does_not_allow(
    s3: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    s3.put("leads.csv", CSV)
    for allow in ((), ("acme",), ("127.0.0.2",), (f"127.0.0.1:{s3.port + 1}",)):
        with pytest.raises(InputError, match=r"leads\.source: host '127\.0\.0\.1.*' is not allow"):
            project("s3://acme/leads.csv", allow)
        with pytest.raises(InputError, match=r"host '127\.0\.0\.1.*' is not allowed"):
            read_source(Source(source="s3://acme/leads.csv"), project(allow=allow))
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://169.254.169.254")
    with pytest.raises(InputError, match="link-local and never reached"):
        project("s3://acme/leads.csv", ("169.254.169.254",))
    assert s3.asked == []
    for bad in ("ftp://x", "http://ann:secret@x", "http://x/path", "x"):
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", bad)
        with pytest.raises(InputError, match="AWS_ENDPOINT_URL_S3 is no address") as caught:
            project("s3://acme/leads.csv", ("x",))
        assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "source",
    ["s3://acme", "s3://acme/", "s3:acme/x", "s3://A/x", "s3://acme/../x", "s3://acme/a/",
     "s3://ann:s3cret@acme/x.csv", "s3://acme/a\nb"],
)  # fmt: skip
def test_what_names_no_object_is_refused(source: str) -> None:
    with pytest.raises(InputError, match="names no object") as caught:
        project(source)
    assert "s3cret" not in str(caught.value)


def test_a_reader_reads_any_place_and_further_ahead_in_one_go(s3: S3Server) -> None:
    body = bytes(range(256)) * 40_000
    s3.put("a.bin", body)
    (file,) = objects("s3://acme/a.bin")
    with RangeReader(file) as reader:
        assert reader.seek(-5, 2) == len(body) - 5
        assert reader.read(10) == body[-5:]
        assert reader.read(10) == b""
        reader.seek(1_000)
        assert reader.read(5) == body[1_000:1_005]
    s3.asked.clear()
    with file.open("rb") as whole:
        assert whole.read() == body
    assert len([1 for method, _, _ in s3.asked if method == "GET"]) < 12
    s3.asked.clear()
    with file.open("rb") as start:
        assert start.read(9) == body[:9]
    assert s3.asked == []  # what it begins with is remembered
