"""Bad inputs 11 to 15 and 42 to 59, tried: tables, names, odd leads, where results go."""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.attack_inputs_desk import Desk
from tests.golden.product import leadscore

COLUMN: Final = 'amount"; DROP TABLE leads;--'


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
    # the store is emptied whoever is forgotten, and built again from the sources
    changed = [name for name in desk.changed(before) if not name.startswith("store/")]
    held = [name for name in changed if name.endswith((".parquet", "crm.sqlite"))]
    desk.must(not held, f"forget changed {held}")


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
    latin = desk.raw(
        "latin.csv", text.assign(company="Café").to_csv(index=False).encode("latin-1", "replace")
    )
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
        other = desk.raw("nested.parquet", own.read_bytes())
    finally:
        own.write_bytes(kept)
    desk.refused(("nested.parquet", "column source", "nested"), "score", "--leads", other)
    whole = (desk.company.file.parent / "leads.parquet").read_bytes()
    cut = desk.raw("cut.parquet", whole[:-20])
    desk.refused(("cut.parquet", "Parquet"), "score", "--leads", cut)


def _59(desk: Desk) -> None:
    mine = desk.raw("mine", b"mine")
    ran = desk.run("score", "--accept", "--out", mine / "s.parquet")  # the run itself is kept
    desk.must(ran.code == 4 and "can't be written" in ran.err, f"{ran.code}: {ran.err[-200:]}")
    desk.must(mine.read_bytes() == b"mine", "my file was written over")


ROWS: Final[dict[int, Callable[[Desk], None]]] = {
    n: globals()[f"_{n}"] for n in (*range(11, 16), *range(42, 60))
}
