"""Bad inputs 16 to 30 and 60, tried: artifacts, the project file, hosts, secrets."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pyarrow.parquet as pq

from benchmarks.attack_inputs_desk import Desk

MAIL, PHONE, PASSWORD = "canary.bird@aviary-9731.example", "+39 055 97314242", "s3cr3t-9731"


def _16(desk: Desk) -> None:
    folder, trap = desk.artifact(), desk.place / "opened"
    _with_forest(desk, folder, b"cos\nsystem\n(S'touch " + str(trap).encode() + b"'\ntR.")
    desk.refused(("LightGBM text model",), "score", "--model", folder)
    desk.must(not trap.exists(), "the pickle was opened")


def _with_forest(desk: Desk, place: Path, text: bytes) -> None:
    parts = json.loads((place / "parts.json").read_text())
    parts["forest"] = {"count": 1, "weight": 0.1}
    desk.put(place, "parts.json", json.dumps(parts).encode())
    desk.put(place, "forest_0.txt", text)


def _17(desk: Desk) -> None:
    for name in ("python_model.pkl", "MLmodel"):
        folder = desk.artifact()
        (folder / name).write_bytes(b"loader_module: os")
        desk.refused((name,), "score", "--model", folder)


def _18(desk: Desk) -> None:
    for name in ("parts.json", "facts.json"):
        folder = desk.artifact()
        raw = bytearray((folder / name).read_bytes())
        raw[len(raw) // 2] ^= 1
        (folder / name).write_bytes(raw)
        desk.refused((name, "does not match"), "score", "--model", folder)


def _19(desk: Desk) -> None:
    folder = desk.artifact()
    _with_forest(desk, folder, b"tree\nversion=v4\nnum_class=1\nmax_feature_idx=3\ntree_sizes=99\n")
    desk.refused(("forest 0",), "score", "--model", folder)


def _20(desk: Desk) -> None:
    for path in ("../../etc/passwd", "/etc/passwd"):
        folder = desk.artifact()
        manifest = json.loads((folder / "manifest.json").read_text())
        manifest["files"][path] = "0" * 64
        (folder / "manifest.json").write_text(json.dumps(manifest))
        desk.refused(("/etc/passwd",), "score", "--model", folder)
    folder = desk.artifact()
    (folder / "facts.json").unlink()
    (folder / "facts.json").symlink_to("/etc/hostname")
    desk.refused(("facts.json",), "score", "--model", folder)


def _21(desk: Desk) -> None:
    less = desk.project('"country", ', "")
    desk.refused(("country",), "score", "--accept", file=less)


def _22(desk: Desk) -> None:
    demands = desk.project("[train]", "[artifact]\nsigned = true\n\n[train]")
    with _environment(LEADSCORE_SIGNING_KEY="0123456789abcdef" * 3):
        desk.refused(("not signed",), "score", "--model", desk.artifact(), file=demands)


@contextmanager
def _environment(**values: str) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def _23(desk: Desk) -> None:
    for old, new, says in (
        ("seed = 0", 'seed = "many"', ("seed", "row 136")),
        ("seed = 0", "seed = 0\nseed = 1", ("seed", "row 137", "second time")),
        ('when = "employees < 3"', "when = \"__import__('os')\"", ("when",)),
        ("[train]", "# " + "x" * 3_000_000 + "\n[train]", ("at most 1,000,000",)),
    ):
        desk.refused(("other.toml", *says), "score", file=desk.project(old, new))


def _24(desk: Desk) -> None:
    began = time.process_time()
    folder = desk.artifact()
    desk.put(folder, "facts.json", b"[" * 10_000 + b"]" * 10_000)
    desk.refused(("facts.json", "nested"), "score", "--model", folder)
    body = b'{"leads": ' + b"[" * 10_000 + b"]" * 10_000 + b"}"
    desk.answered(400, "POST", "/v1/score", body, says="nest")
    desk.must(time.process_time() - began < 5, "it took seconds")


def _25(desk: Desk) -> None:
    typo = desk.project("min_points", "min_pionts")
    desk.refused(("min_pionts", "min_points", "row 142"), "score", file=typo)


def _26(desk: Desk) -> None:
    with _environment(CANARY=f"ann:{PASSWORD}"):
        section = 'crm = "postgresql"\nurl = "postgresql://127.0.0.1:9/x"\ncredentials = "CANARY"\n'
        text = 'crm = "sqlite"', section + "\n[network]\nallow = ['127.0.0.1']\n[write_back]"
        bad = desk.company.file.with_name("secret.toml")
        whole = desk.company.file.read_text().replace("[write_back]\n", "", 1)
        bad.write_text(
            whole.replace(text[0], "[write_back]\n" + section, 1).replace(
                "[train]", "[network]\nallow = ['127.0.0.1']\n\n[train]", 1
            )
        )
        said = desk.run("write-back", file=bad)
    desk.must(said.code == 4, f"ends with {said.code}")
    desk.must(PASSWORD not in said.out + said.err, "the password shows")
    held = [
        p.name
        for p in desk.company.state.rglob("*")
        if p.is_file() and PASSWORD.encode() in p.read_bytes()
    ]
    desk.must(not held, f"the password is in {held}")


def _27(desk: Desk) -> None:
    for canary in (MAIL, PHONE):
        bad = desk.raw("mail.csv", desk.csv(expected_amount=canary))
        said = desk.refused(
            ("mail.csv", "row 2", "column expected_amount"), "score", "--leads", bad
        )
        desk.must(canary not in said, "the message shows it")
    marked = desk.table("marked.parquet", lambda t: t.assign(country=MAIL, source=f"by {MAIL}"))
    before = {p: p.read_bytes() for p in desk.company.state.rglob("*") if p.is_file()}
    desk.accepted("score", "--accept", "--leads", marked)
    held = [p.name for p in desk.company.state.rglob("*") if p.is_file() and _holds(p)]
    desk.must(not held, f"the address is in {held}")
    for path, content in before.items():
        path.write_bytes(content)


def _holds(file: Path) -> bool:
    text = file.read_bytes()
    if file.suffix == ".parquet":
        text += pq.read_table(file).to_pandas().to_csv().encode()
    return MAIL.encode() in text


def _28(desk: Desk) -> None:
    for source, says in (
        ("postgresql://db.example/x", "db.example"), ("postgresql://169.254.169.254/x", "169.254"),
    ):  # fmt: skip
        bad = desk.project('source = "leads.parquet"', f'source = "{source}"\nquery = "select 1"')
        desk.refused((says,), "check", file=bad)
    desk.refused(("mlflow.example", "allow"), "score", "--tracking", "https://mlflow.example")


def _29(desk: Desk) -> None:
    for source in ("file:///etc/passwd", "gopher://x/1", "s3://bucket/leads.parquet"):
        bad = desk.project('source = "leads.parquet"', f'source = "{source}"')
        desk.refused((source.partition(":")[0],), "check", file=bad)
    rooted = desk.project('name = "software_trial"', 'name = "software_trial"\nroot = "."')
    outside = rooted.read_text().replace('"leads.parquet"', '"../../../etc/passwd"')
    rooted.write_text(outside)
    desk.refused(("root",), "check", file=rooted)


def _30(desk: Desk) -> None:
    uri = f"postgresql://ann:{PASSWORD}@db.example/x"
    bad = desk.project('source = "leads.parquet"', f'source = "{uri}"\nquery = "select 1"')
    desk.must(PASSWORD not in desk.refused(("db.example",), "check", file=bad), "it shows")


def _60(desk: Desk) -> None:
    desk.refused(("@nobody",), "score", "--model", "nobody", code=4)
    desk.refused(("99",), "score", "--model", "99", code=4)
    unreachable = desk.project("[train]", "[network]\nallow = ['127.0.0.1']\n\n[train]")
    with _environment(MLFLOW_HTTP_REQUEST_MAX_RETRIES="0"):
        desk.refused(
            ("127.0.0.1",), "score", "--tracking", "http://127.0.0.1:9", code=4, file=unreachable
        )


ROWS: Final[dict[int, Callable[[Desk], None]]] = {
    n: globals()[f"_{n}"] for n in (*range(16, 31), 60)
}
