"""A simulated company -> the files that its CRM would have exported at an earlier moment."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

WRITTEN_AT = {
    "leads.parquet": "created_at",
    "touches.parquet": "ingested_at",
    "lead_history.parquet": "changed_at",
    "opportunities.parquet": "created_at",
}
"""The column of each table that says when a row came to be."""
KNOWN_AT = {name: f"{name}_known_at" for name in ("need", "budget", "authority", "timing")}


def export_until(whole: Path, folder: Path, until: str) -> Path:
    """Write the tables of `whole` as they stood at `until`, and the project file; returns its path.

    Rows written later are not there yet; answers and closures of later are still empty.
    """
    moment = pd.Timestamp(until, tz="UTC")
    folder.mkdir(parents=True, exist_ok=True)
    for source in sorted(whole.glob("*.parquet")):
        table = pd.read_parquet(source)
        if source.name in WRITTEN_AT:
            table = table[table[WRITTEN_AT[source.name]] < moment]
        if source.name == "leads.parquet":
            table = table.assign(
                closed_at=table["closed_at"].where(table["closed_at"] < moment),
                disqualification_reason=table["disqualification_reason"].where(
                    table["closed_at"] < moment
                ),
            )
            for answer, known_at in KNOWN_AT.items():
                known = table[known_at] < moment
                table = table.assign(
                    **{answer: table[answer].where(known), known_at: table[known_at].where(known)}
                )
        table.to_parquet(folder / source.name, index=False)
    project = next(whole.glob("*.toml"))
    lines = [
        f'observed_until = "{until}"' if line.startswith("observed_until") else line
        for line in project.read_text("utf-8").splitlines()
    ]
    file = folder / project.name
    file.write_text("\n".join(lines), "utf-8")
    return file
