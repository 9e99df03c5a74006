"""Files outside the folder of a project: named once, and refused where a root is set."""

from __future__ import annotations

from pathlib import Path

import pytest

from data.errors import InputError
from data.project import check_project
from data.reading.project_root import outside_sources
from data.reading.read_tables import read_tables
from data.schema import Project

ROWS = "id,created_at,won_at\n" + "".join(
    f"a{i},2026-01-{i + 1:02d},{'2026-02-01' if i % 3 == 0 else ''}\n" for i in range(28)
)


def project(folder: Path, source: str, **section: str) -> Project:
    return check_project(
        {
            "folder": str(folder),
            "project": {"name": "acme", **section},
            "leads": {
                "source": source,
                "id": "id",
                "created_at": "created_at",
                "converted_at": "won_at",
            },
            "conversion": {"horizon": "30d"},
        }
    )


@pytest.fixture
def home(tmp_path: Path) -> Path:
    home = tmp_path / "home"
    (home / "inner").mkdir(parents=True)
    for file in (tmp_path / "leads.csv", home / "leads.csv", home / "inner" / "leads.csv"):
        file.write_text(ROWS)
    (home / "link.csv").symlink_to(tmp_path / "leads.csv")
    return home


@pytest.mark.parametrize("root", [".", "inner/.."])
@pytest.mark.parametrize(
    ("source", "fine"),
    [
        ("leads.csv", True),
        ("inner/leads.csv", True),
        ("inner/../leads.csv", True),
        ("*.csv", False),  # a link among them leads out
        ("../leads.csv", False),
        ("inner/../../leads.csv", False),
        ("link.csv", False),
        ("{outside}/leads.csv", False),
        ("sqlite:////{outside}/none.sqlite", False),
    ],
)
def test_nothing_outside_of_the_root_is_read(
    home: Path, source: str, fine: bool, root: str
) -> None:
    source = source.format(outside=home.parent)
    declared = project(home, source, root=root)
    if fine:
        assert len(read_tables(declared)[0]) == 28
        return
    if source.startswith("sqlite"):
        (home.parent / "none.sqlite").touch()
        leads = declared.leads.model_copy(update={"query": "select 1"})
        declared = declared.model_copy(update={"leads": leads})
    with pytest.raises(InputError, match=r"lies outside of \[project\] root"):
        read_tables(declared)


def test_without_a_root_it_is_read_and_named_once(home: Path) -> None:
    outside = project(home, "../leads.csv")
    assert len(read_tables(outside)[0]) == 28
    assert len(outside_sources(outside)) == 1
    assert "leads.source (../leads.csv)" in outside_sources(outside)[0]
    assert outside_sources(project(home, "leads.csv")) == []
