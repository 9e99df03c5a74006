"""Each of the sixty bad inputs, tried: number -> what is done and what must come of it."""

from __future__ import annotations

import csv
import gzip
import html.parser
import json
import os
import re
import sqlite3
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.attack_inputs_desk import AUTH, Desk
from serving.http.application import create_app
from serving.http.guard import Limits
from serving.http.keys import digest
from tests.fakes.slow_sockets import hold
from tests.golden.product import leadscore

FORMULAS: Final = (
    "=cmd|'/c calc'!A1", "+SUM(1)", "-2+3", "@SUM(1)", "\t=1", "\r=1", "\x00=1", "＝1+1",
)  # fmt: skip
MARKUP: Final = (
    "<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "javascript:alert(1)",
    "</script><script>alert(1)</script>", "{{7*7}} ${7*7}", "<svg onload=alert(1)>",
    "abc\u202egnp.exe\u200b\u2066x",
)  # fmt: skip
MAIL, PHONE, PASSWORD = "canary.bird@aviary-9731.example", "+39 055 97314242", "s3cr3t-9731"
COLUMN: Final = 'amount"; DROP TABLE leads;--'


class Page(html.parser.HTMLParser):
    """What a browser would see of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.scripts, self.bad, self.text = 0, list[str](), list[str]()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.scripts += tag == "script" and given.get("type") is None
        self.bad += [name for name in given if name.startswith("on")]
        links = [given[name] or "" for name in ("href", "src") if name in given]
        self.bad += [link for link in links if not re.match(r"#|mailto:|https?://|data:", link)]

    def handle_data(self, data: str) -> None:
        self.text.append(data)


# --- 1 to 10: what stands in sheets and reports ----------------------------------------------


def hostile(desk: Desk) -> None:
    """Report once on leads whose names and places are formulas, markup and direction marks."""
    if (desk.place / "hostile").exists():
        return
    words = [*FORMULAS, *MARKUP]
    named = [f"{words[i % len(words)]} {i}" for i in range(len(desk.leads()))]
    own = desk.company.file.parent / "leads.parquet"
    kept = own.read_bytes()
    markup = [MARKUP[i % len(MARKUP)] for i in range(len(desk.leads()))]
    desk.leads().assign(company=named, person=named, country=markup).to_parquet(own)
    before = {name: (desk.company.state / name).read_bytes() for name in ("scores.parquet",)}
    try:
        desk.accepted("score", "--accept")
        desk.accepted("report", "--out", desk.place / "hostile", "--lang", "en", "--deliver")
        to_file = desk.project('crm = "sqlite"', f'crm = "files"\nurl = "{desk.place}/crm.csv"')
        desk.accepted("write-back", "--dry-run", file=to_file)
    finally:
        own.write_bytes(kept)
        for name, content in before.items():
            (desk.company.state / name).write_bytes(content)


def _sheets(desk: Desk, wanted: tuple[str, ...]) -> None:
    hostile(desk)
    sheets = [*(desk.place / "hostile").rglob("*.csv")]
    desk.must(sheets, "no sheet was written")
    texts = 0
    for sheet in sheets:
        for row in csv.DictReader(sheet.open(encoding="utf-8-sig", newline="")):
            for name, cell in row.items():
                bare = cell.lstrip("\t\r\0 \ufeff")
                risky = bare[:1] in set("=+-@＝＋－＠") and not re.fullmatch(r"-?[\d.,%]+", bare)
                desk.must(not risky, f"{sheet.name}, {name}: {cell!r}")
                texts += any(word.strip() in cell for word in wanted)
    desk.must(texts, "the hostile names stand in no sheet")
    for book in (desk.place / "hostile").rglob("*.xlsx"):
        inside = zipfile.ZipFile(book)
        sheets_ = [name for name in inside.namelist() if "worksheets/" in name]
        desk.must(not any(b"<f>" in inside.read(name) for name in sheets_), "a formula in Excel")


def _1(desk: Desk) -> None:
    _sheets(desk, FORMULAS[:1])


def _2(desk: Desk) -> None:
    _sheets(desk, FORMULAS[1:])


def _3(desk: Desk) -> None:
    leads = desk.leads()
    own = {leads["lead_id"][0]: "-17", leads["lead_id"][1]: "+18"}
    ids = leads["lead_id"].replace(own)
    table = desk.table("ids.parquet", lambda t: t.assign(lead_id=ids, expected_amount=-3.2))
    kept = set(desk.scores("--leads", table)["lead_id"])
    desk.must(kept <= set(ids), "an id is not what it was")


def _pages(desk: Desk) -> Iterator[tuple[str, Page]]:
    hostile(desk)
    for path in sorted((desk.place / "hostile").rglob("*.html")):
        page, text = Page(), path.read_text(encoding="utf-8")
        page.feed(text)
        yield text, page


def _html(desk: Desk, word: str, shown: str | None) -> None:
    """Check that markup is text: no script, handler or link from data, a policy, what is shown."""
    found = False
    for text, page in _pages(desk):
        desk.must(page.scripts <= 1, f"{page.scripts} scripts")
        desk.must(not page.bad, f"handlers or links: {page.bad[:3]}")
        desk.must("default-src 'none'" in text, "no content security policy")
        desk.must(word not in text, f"{word!r} stands in the page as it is")
        found |= shown is None or shown in "".join(page.text)
    desk.must(found, f"{shown!r} is shown nowhere")


def _10(desk: Desk) -> None:
    for text, _ in _pages(desk):
        desk.must(not re.search("[\u202e\u2066\u200b]", text), "a direction mark as it is")
        desk.must("<bdi" in text, "names are not isolated")


# --- 11 to 15: tables and names ----------------------------------------------------------------


def _11(desk: Desk) -> None:
    big = desk.csv(company=["x" * 1_200_000 if i == 7 else "y" for i in range(40)])
    desk.refused(
        ("big.csv", "row 9", "column company", "1,200,000"),
        "score", "--leads", desk.raw("big.csv", big),
    )  # fmt: skip


def _12(desk: Desk) -> None:
    more = desk.table("more.parquet", lambda t: t.assign(**{COLUMN: 1}))
    desk.must(desk.scores("--leads", more).equals(desk.usual) or _same(desk, more), "other scores")
    escaped = COLUMN.replace('"', '\\"')
    wants = desk.project('fixed = ["source"', f'fixed = ["{escaped}", "source"')
    desk.refused(("leads.parquet", "column amount", "not found"), "check", file=wants)


def _same(desk: Desk, table: Path) -> bool:
    found, usual = desk.scores("--leads", table), desk.usual
    return bool((found["probability"].to_numpy() == usual["probability"].to_numpy()).all())


def _13(desk: Desk) -> None:
    for header, says in (
        (b'"a\x00b"', "NUL"), (b"x" * 300, "longer than 255"), (b"source", "stands twice"),
    ):  # fmt: skip
        first, _, rest = desk.csv().partition(b"\n")
        lines = b"\n".join(line + b",1" for line in rest.splitlines())
        bad = desk.raw("odd.csv", first + b"," + header + b"\n" + lines)
        desk.refused(("odd.csv", "row 1", "column", says), "score", "--leads", bad)
    for name in ("select", 'say "so"', "Source"):
        fine = desk.table("fine.csv", lambda t, name=name: t.assign(**{name: 1}))
        desk.must(_same(desk, fine), f"a column {name} changes scores")


def _14(desk: Desk) -> None:
    crm = desk.place / "crm.db"
    with closing(sqlite3.connect(crm)) as made:
        made.execute("create table leads (lead_id text primary key, score int, band text)")
    section = f'crm = "sqlite"\nurl = "sqlite:///{crm}"\nentity = "leads; delete"\nkey = "lead_id"'
    bad = desk.project('crm = "sqlite"', section)
    desk.refused(("leads; delete",), "write-back", file=bad)
    with closing(sqlite3.connect(crm)) as there:
        desk.must(there.execute("select count(*) from leads").fetchone() == (0,), "rows came")


def _15(desk: Desk) -> None:
    for verb, more in (("explain", ()), ("feedback", ("note", "--because", "x"))):
        desk.refused(
            ("no such lead" if verb == "explain" else "1' OR",), verb, "1' OR '1'='1", *more
        )
    before = desk.state()
    desk.accepted("forget", "1' OR '1'='1")
    changed = [name for name in desk.changed(before) if name.endswith((".parquet", "crm.sqlite"))]
    desk.must(not changed, f"forget changed {changed}")


# --- 16 to 22: artifacts -----------------------------------------------------------------------


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


# --- 23 to 30: the project file, hosts, secrets ------------------------------------------------


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


# --- 31 to 41: the service ---------------------------------------------------------------------


def _31(desk: Desk) -> None:
    desk.answered(413, "POST", "/v1/score", b" " * 1_000_001, says="1000000")

    async def endless():  # type: ignore[no-untyped-def]
        while True:
            yield b" " * 65_536

    desk.answered(413, "POST", "/v1/score", endless())


def _32(desk: Desk) -> None:
    waited = hold(desk.app, sockets=200)
    desk.must(waited < 5, f"a healthy request took {waited:.1f} s")


def _33(desk: Desk) -> None:
    for headers, path in (
        ({}, "/v1/score"), ({"Authorization": "Bearer no"}, "/v1/score"),
        ({}, "/v1/score?key=ls_k"), (AUTH, "/v1/score?api_key=ls_k"),
    ):  # fmt: skip
        desk.answered(401, "POST", path, b"{}", headers=headers)


def _34(desk: Desk) -> None:
    body = json.loads(json.dumps(desk.request))
    body["leads"] = [{"attributes": {"lead_id": str(i)}} for i in range(10_000)]
    desk.answered(422, "POST", "/v1/score", json.dumps(body), says="100")


def _35(desk: Desk) -> None:
    bomb = gzip.compress(bytes(10**7))
    packed = {**AUTH, "Content-Encoding": "gzip"}
    desk.answered(415, "POST", "/v1/score", bomb, headers=packed)


def _36(desk: Desk) -> None:
    right = json.dumps(desk.request)
    for body in (
        "{", right.replace('"as_of"', '"as_of": NaN, "x"'), '{"leads": [], "leads": []}',
        "\ufeff" + right,
    ):  # fmt: skip
        desk.answered(400, "POST", "/v1/score", body.encode())
    desk.answered(400, "POST", "/v1/score", right.encode("utf-16"))


def _37(desk: Desk) -> None:
    for value in ("12,5", [1], {"a": 1}, True):
        body = desk.lead_with(expected_amount=value)
        status = 422
        desk.answered(status, "POST", "/v1/score", body, says="expected_amount")


def _38(desk: Desk) -> None:
    for number, status in (("1e400", 422), ("9" * 5000, 400), ("-0", 200), (str(2**63), 200)):
        body = desk.lead_with(expected_amount="N").replace('"N"', number)
        desk.answered(status, "POST", "/v1/score", body)


def _39(desk: Desk) -> None:
    for method, path, status in (
        ("DELETE", "/v1/score", 405), ("GET", "/..%2f..%2fetc/passwd", 404),
        ("BREW", "/v1/score", 405), ("GET", "/v1/leads/..%2f..%2fx/score", 404),
    ):  # fmt: skip
        desk.answered(status, method, path)
    answer = desk.ask(
        "GET", "/health", headers={"Host": "evil.example", "Origin": "http://e.example"}
    )
    desk.must("access-control-allow-origin" not in answer.headers, "another site may read it")


def _40(desk: Desk) -> None:
    both = {**AUTH, "Transfer-Encoding": "chunked", "Content-Length": "5"}
    desk.answered(400, "POST", "/v1/score", b"0\r\n\r\n", headers=both, says="not both")


def _41(desk: Desk) -> None:
    slow = create_app(
        desk.company.service(), {"t": digest("ls_k")}, Limits(requests_per_second=0.1, burst=2)
    )
    answers = [desk.ask("GET", "/metrics", app=slow) for _ in range(3)]
    desk.must([each.status_code for each in answers] == [200, 200, 429], "no 429")
    desk.must(int(answers[-1].headers.get("retry-after", 0)) >= 1, "no Retry-After")


# --- 42 to 60: tables, odd leads, where results go ----------------------------------------------


def _42(desk: Desk) -> None:
    header = desk.csv().partition(b"\n")[0]
    for name, content in (("empty.csv", b""), ("header.csv", header + b"\n")):
        desk.refused((name,), "score", "--leads", desk.raw(name, content))


def _43(desk: Desk) -> None:
    deals = desk.company.file.parent / "opportunities.parquet"
    kept = deals.read_bytes()
    try:
        pd.read_parquet(deals).head(5).to_parquet(deals)
        place = desk.place / "few"
        ran = leadscore("train", desk.company.file, "--fast", "--state", place)
        desk.said.append(f"[{ran.code}] {ran.err.strip().splitlines()[-1]}")
        desk.must(ran.code == 3, f"ends with {ran.code}")
        desk.must(re.search(r"\b[0-5]\b", ran.out + ran.err), "no numbers")
        desk.must("Traceback" not in ran.err, "a traceback")
    finally:
        deals.write_bytes(kept)


def _44(desk: Desk) -> None:
    own = desk.company.file.parent / "leads.parquet"
    kept = own.read_bytes()
    n = len(desk.leads())
    odd = {
        "void": pd.array([None] * n, "string"),
        "same": "x",
        "token": [f"t{i}" for i in range(n)],
    }
    desk.leads().assign(**odd).to_parquet(own)
    try:
        more = desk.project('fixed = ["source"', 'fixed = ["void", "same", "token", "source"')
        ran = desk.run("check", file=more)
        desk.must(ran.code in (0, 3), f"ends with {ran.code}")
        for name in odd:
            desk.must(name in ran.out + ran.err, f"{name} is not listed")
    finally:
        own.write_bytes(kept)


def _45(desk: Desk) -> None:
    twice = desk.raw("twice.csv", desk.csv(lead_id=["a", "a", *(str(i) for i in range(38))]))
    desk.refused(("twice.csv", "row", "lead_id"), "score", "--leads", twice)


def _when(desk: Desk, first: str, says: tuple[str, ...], **columns: object) -> None:
    leads = desk.leads().head(40)
    at = leads["created_at"].dt.strftime("%Y-%m-%dT%H:%M:%S+00:00")
    content = desk.csv(created_at=[first, *at[1:]], **columns)
    bad = desk.raw("when.csv", content)
    desk.refused(("when.csv", *says), "score", "--leads", bad)


def _46(desk: Desk) -> None:
    _when(desk, "2025-11-01 09:55:23", ("row 2", "column created_at"))


def _47(desk: Desk) -> None:
    for text in (
        "0000-01-01T00:00:00+00:00",
        "2025-02-29T00:00:00+00:00",
        "2025-06-30T23:59:60+00:00",
        "1762000000",
    ):
        _when(desk, text, ("row 2", "column created_at"))


def _48(desk: Desk) -> None:
    early = desk.table(
        "early.parquet",
        lambda t: t.assign(
            touch_at=t["touch_at"] - pd.Timedelta("900D"), ingested_at=t["touch_at"]
        ),
        of="touches",
    )
    ran = desk.run("score", "--accept", "--events", early, "--out", desk.place / "s.parquet")
    desk.must(ran.code in (0, 2, 3), f"ends with {ran.code}")
    desk.must("before" in ran.out + ran.err, "events before the lead are not counted")


def _49(desk: Desk) -> None:
    """One such label is noted by its row, more are refused."""
    own = desk.company.file.parent / "opportunities.parquet"
    kept, early = own.read_bytes(), pd.Timestamp("2020-01-01", tz="UTC")
    deals = pd.read_parquet(own)
    try:
        deals.assign(created_at=deals["created_at"].where(deals.index > 0, early)).to_parquet(own)
        ran = desk.run("check")
        noted = re.search(r"leads\.parquet, row \d+: lead converts before", ran.out + ran.err)
        desk.must(ran.code in (0, 3) and noted, f"one is not noted: {ran.code}")
        deals.assign(created_at=deals["created_at"].where(deals.index > 9, early)).to_parquet(own)
        desk.refused(("leads.parquet", "row", "before it is created", "correct"), "check")
    finally:
        own.write_bytes(kept)


def _50(desk: Desk) -> None:
    for text in ("12,5", "1.234,50", "€ 900", "12 %"):
        bad = desk.raw("amount.csv", desk.csv(expected_amount=text))
        desk.refused(("amount.csv", "row 2", "column expected_amount"), "score", "--leads", bad)


def _51(desk: Desk) -> None:
    usual = desk.table("usual.csv", lambda t: t)
    text = pd.read_csv(usual, dtype=str, keep_default_na=False)
    semicolon = desk.raw(
        "semi.csv", text.to_csv(index=False, sep=";", lineterminator="\r\n").encode("utf-8-sig")
    )
    desk.must(_same(desk, semicolon), "a ; file with CRLF and a mark scores otherwise")
    newline = text.assign(company='two\nlines, "quoted"')
    desk.must(_same(desk, desk.raw("nl.csv", newline.to_csv(index=False).encode())), "newlines")
    latin = desk.raw("latin.csv", text.assign(company="Café").to_csv(index=False).encode("latin-1"))
    desk.refused(("latin.csv", "0xe9", "line", "encoding"), "score", "--leads", latin)


def _52(desk: Desk) -> None:
    ragged = desk.raw("ragged.csv", desk.csv() + b"1,2,3\n")
    desk.refused(("ragged.csv", "row 42", "3 fields"), "score", "--leads", ragged)
    nul = desk.raw("nul.csv", desk.csv(company=["a\0b", *["c"] * 39]))
    desk.refused(("nul.csv", "row 2", "column company", "NUL"), "score", "--leads", nul)


def _53(desk: Desk) -> None:
    words = ["Atlantis", "nan", "None", "NULL", "x" * 2000, "\u202e"]
    odd = [words[i % 6] + (str(i) if i % 7 == 0 else "") for i in range(len(desk.leads()))]
    scores = desk.scores("--leads", desk.table("odd.parquet", lambda t: t.assign(country=odd)))
    desk.must(len(scores) == len(desk.usual), "leads are missing")
    desk.must(scores["probability"].between(0, 1).all(), "no probability")


def _54(desk: Desk) -> None:
    given = ["007", "0012x00000ABCDeAAL", "1.0", "1e5"]
    open_ = list(desk.usual["lead_id"][:4])
    ids = desk.leads()["lead_id"].replace(dict(zip(open_, given, strict=True)))
    table = desk.table("ids.csv", lambda t: t.assign(lead_id=ids))
    kept = set(desk.scores("--leads", table)["lead_id"])
    desk.must(set(given) <= kept, f"{set(given) - kept} are not what they were")


def _55(desk: Desk) -> None:
    turned = desk.table("turned.parquet", lambda t: t[t.columns[::-1]].assign(shoe_size=43))
    desk.must(_same(desk, turned), "another order changes scores")


def _56(desk: Desk) -> None:
    silent = desk.usual["lead_id"].iat[0]
    touches = desk.table("some.parquet", lambda t: t[t["lead_id"] != silent], of="touches")
    row = desk.scores("--events", touches).set_index("lead_id").loc[silent]
    desk.must(0 < row["probability"] < 1, "it is not scored")


def _57(desk: Desk) -> None:
    one = desk.usual["lead_id"].iat[0]

    def many(table: pd.DataFrame) -> pd.DataFrame:
        row = table[table["lead_id"] == one].head(1)
        rows = row.loc[row.index.repeat(1_000_000)].reset_index(drop=True)
        start = pd.Timestamp("2026-01-02", tz="UTC").value
        at = pd.to_datetime(start + np.arange(len(rows)) * 10**10, utc=True)
        return pd.concat([table, rows.assign(touch_at=at, ingested_at=at)], ignore_index=True)

    touches = desk.table("many.parquet", many, of="touches")
    began = time.process_time()
    desk.scores("--events", touches)
    desk.must(time.process_time() - began < 60, "it took a minute")


def _58(desk: Desk) -> None:
    table = pa.Table.from_pandas(desk.leads())
    nested = table.append_column("source2", pa.array([[1]] * len(table)))
    nested = nested.drop_columns("source").rename_columns(
        [name.replace("source2", "source") for name in nested.drop_columns("source").column_names]
    )
    own = desk.company.file.parent / "leads.parquet"
    kept = own.read_bytes()
    pq.write_table(nested, own)
    try:
        desk.refused(("leads.parquet", "column source", "nested"), "check")
    finally:
        own.write_bytes(kept)
    whole = (desk.company.file.parent / "leads.parquet").read_bytes()
    cut = desk.raw("cut.parquet", whole[:-20])
    desk.refused(("cut.parquet", "Parquet"), "score", "--leads", cut)


def _59(desk: Desk) -> None:
    mine = desk.raw("mine", b"mine")
    ran = desk.run("score", "--accept", "--out", mine / "s.parquet")  # the run itself is kept
    desk.must(ran.code == 4 and "can't be written" in ran.err, f"{ran.code}: {ran.err[-200:]}")
    desk.must(mine.read_bytes() == b"mine", "my file was written over")


def _60(desk: Desk) -> None:
    desk.refused(("@nobody",), "score", "--model", "nobody", code=4)
    desk.refused(("99",), "score", "--model", "99", code=4)
    unreachable = desk.project("[train]", "[network]\nallow = ['127.0.0.1']\n\n[train]")
    with _environment(MLFLOW_HTTP_REQUEST_MAX_RETRIES="0"):
        desk.refused(
            ("127.0.0.1",), "score", "--tracking", "http://127.0.0.1:9", code=4, file=unreachable
        )


def _marked(word: str, shown: str | None) -> Callable[[Desk], None]:
    return lambda desk: _html(desk, word, shown)


ROWS: Final[dict[int, Callable[[Desk], None]]] = {
    **{n: globals()[f"_{n}"] for n in (1, 2, 3)},
    4: _marked(MARKUP[0], MARKUP[0]),
    5: _marked(MARKUP[1], MARKUP[1]),
    6: _marked('="javascript:', MARKUP[2]),
    7: _marked(MARKUP[3], MARKUP[3]),
    8: _marked("<{{", MARKUP[4]),
    9: _marked(MARKUP[5], MARKUP[5]),
    **{n: globals()[f"_{n}"] for n in range(10, 61)},
}
