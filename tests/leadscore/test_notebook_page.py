"""The page *From a frame to a score in Python*: every snippet runs, in its order, and says so."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import leadscore as ls

pytestmark = pytest.mark.checkout

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "notebook.md"


def test_every_snippet_of_the_page_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    snippets = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    for snippet in snippets:
        exec(compile(snippet, PAGE.name, "exec"), names)
    assert "no such lead: 'L-0'" in capsys.readouterr().out
    assert names["told"].points["points"].sum() == names["told"].score
    assert ls.versions(names["crm"]).loc["1", "aliases"] == "champion"
    assert (tmp_path / "report" / "report-en.html").is_file()
