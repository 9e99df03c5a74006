"""What the store takes for a change of its sources."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pytest

from data.project import load_project
from data.reading import sources
from data.reading.database_queries import query_database
from data.schema import Project
from data.store import source_marks
from data.store.crm_store import CrmStore

LEADS = "id,created,won\nL1,2026-01-01,\nL2,2026-01-02,2026-01-20\n"


def write_project(folder: Path, leads: str, more: str = "") -> Path:
    file = folder / "x.toml"
    file.write_text(
        f'[project]\nname = "x"\n[leads]\n{leads}\nid = "id"\ncreated_at = "created"\n'
        f'converted_at = "won"\n{more}[conversion]\nhorizon = "30d"\n'
    )
    return file


def test_a_file_that_moves_from_one_table_to_another_is_a_change(tmp_path: Path) -> None:
    (tmp_path / "leads.csv").write_text(LEADS)
    for name, day in (("a/1", 3), ("a/2", 4), ("b/3", 5)):
        (tmp_path / name[0]).mkdir(exist_ok=True)
        (tmp_path / f"{name}.csv").write_text(f"lead,at\nL1,2026-01-0{day}\n")
    events = "".join(
        f'[[events]]\nsource = "{name}/*.csv"\nlead = "lead"\nat = "at"\ntype = "={kind}"\n'
        for name, kind in (("a", "call"), ("b", "mail"))
    )
    project = load_project(write_project(tmp_path, 'source = "leads.csv"', events))
    store = CrmStore(tmp_path / "store")

    def calls_and_mails() -> tuple[int, int]:
        found = store.read(project).tables.events
        kinds = [found.type_names[code] for code in found.type]
        return kinds.count("call"), kinds.count("mail")

    assert calls_and_mails() == (2, 1)
    (tmp_path / "a/2.csv").rename(tmp_path / "b/2.csv")
    assert calls_and_mails() == (1, 2)


@pytest.mark.parametrize(("now", "asked"), [("'2030-01-01'", 1), ("datetime('now')", 4)])
def test_a_query_that_asks_for_the_time_is_run_each_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, now: str, asked: int
) -> None:
    with closing(sqlite3.connect(tmp_path / "crm.db")) as crm, crm:
        crm.execute("create table l (id text, created text, won text)")
        rows = [("L1", "2026-01-01", None), ("L2", "2026-01-02", "2026-01-20")]
        crm.executemany("insert into l values (?, ?, ?)", rows)
    query = f"select id, created, won from l where created < {now}"
    leads = f'source = "sqlite:///crm.db"\nquery = "{query}"'
    project = load_project(write_project(tmp_path, leads))
    queries = []

    def counted(uri: str, query: str | None, project: Project, label: str) -> pa.Table:
        queries.append(query)
        return query_database(uri, query, project, label)

    for module in (source_marks, sources):
        monkeypatch.setattr(module, "query_database", counted)
    store = CrmStore(tmp_path / "store")
    for _ in range(4):
        assert len(store.read(project).tables) == 2
    assert len(queries) == asked
