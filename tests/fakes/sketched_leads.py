"""Leads of 120 days, laid out as tests change them, and the project that init proposes for them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from data.project import load_project
from data.schema import Project
from data.sketch.questions import Answers
from data.sketch.write import sketch_project

N = 120
DAYS = pd.date_range("2024-01-01 09:30", periods=N, freq="2D")
LATER = pd.Series(DAYS + pd.Timedelta(days=12))


def leads(**columns: object) -> dict[str, object]:
    return {
        "lead_id": [f"L{i:03d}" for i in range(N)],
        "created": DAYS.strftime("%Y-%m-%d %H:%M"),
        "sector": ["retail", "software", "bank"] * (N // 3),
        **columns,
    }


def propose(
    folder: Path, columns: dict[str, object], answers: Answers | None = None, **written: str
) -> tuple[Project, str]:
    pd.DataFrame(columns).to_csv(folder / "leads.csv", index=False, **written)
    text = sketch_project([folder / "leads.csv"], folder=folder, answers=answers)
    (folder / "p.toml").write_text(text, encoding="utf-8")
    return load_project(folder / "p.toml"), text


def third(values: Sequence[object], other: object = "") -> list[object]:
    return [value if i % 3 == 0 else other for i, value in enumerate(values)]
