"""A project file is read once: what a session does and what it is tagged with are of one text."""

from __future__ import annotations

from pathlib import Path

from serving.session import open_session

PROJECT = """
[project]
name = "acme"
[leads]
source = "leads.csv"
id = "lead_id"
created_at = "created_at"
converted_at = "won_at"
[conversion]
horizon = "90d"
"""


def test_a_file_edited_later_changes_no_open_session(tmp_path: Path) -> None:
    file = tmp_path / "acme.toml"
    file.write_text(PROJECT, encoding="utf-8")
    session = open_session(file, state=tmp_path / "state")
    before = session.fingerprint
    file.write_text(PROJECT.replace("90d", "30d"), encoding="utf-8")
    assert session.fingerprint == before
    assert open_session(file, state=tmp_path / "state").fingerprint != before
