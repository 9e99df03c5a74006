"""leadforge's public simulated CRM -> what becomes of its traps and of its honest columns."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pandas as pd

from data.project import load_project
from data.reading.read_tables import read_tables
from data.reading.review import undeclared_columns
from training.audit import audit
from training.dataset import make_dataset

TRAPS = ("current_stage", "is_sql", "total_touches_all")


def leadforge_part(levels: tuple[str, ...], results: dict[str, Any]) -> None:
    """Give leadforge's task tables (static: no moment per row) to the screens and the reviews."""
    tool = Path(f"{sys.prefix}-peers") / "bin" / "leadforge"
    if not tool.exists():
        print("leadforge is not installed (make peers): its part is missing")
        results["leadforge"]["not installed"] = {"traps": {}, "lost": [], "stops": []}
        return
    for level in levels:
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run(
                [
                    tool,
                    "generate",
                    "--recipe",
                    "b2b_saas_procurement_v1",
                    "--seed",
                    "7",
                    "--mode",
                    "research_instructor",
                    "--difficulty",
                    level,
                    "--out",
                    folder,
                ],
                check=True,
                capture_output=True,
            )
            results["leadforge"][level] = _leadforge_in_time(Path(folder))


def _leadforge_in_time(folder: Path) -> dict[str, Any]:
    """Read the CRM tables in time; see what becomes of traps and of honest columns."""
    leads = pd.read_parquet(folder / "tables" / "leads.parquet")
    task = pd.concat(pd.read_parquet(p) for p in (folder / "tasks").glob("*/t*.parquet"))
    leads = leads.merge(task[["lead_id", "total_touches_all"]], on="lead_id", how="left")
    leads.to_parquet(folder / "leads.parquet")
    honest = ["lead_source", "first_touch_channel"]
    text = f"""
[project]
name = "leadforge"
[leads]
source = "leads.parquet"
id = "lead_id"
created_at = "lead_created_at"
converted_at = "conversion_timestamp"
account = "account_id"
fixed = {honest}
exclude = ["converted_within_90_days", "contact_id"]
[[leads.join]]
source = "tables/accounts.parquet"
on = "account_id"
prefix = ""
fixed = ["industry", "region", "employee_band", "estimated_revenue_band", "process_maturity_band"]
[[leads.join]]
source = "tables/contacts.parquet"
on = "contact_id"
prefix = ""
fixed = ["job_title", "role_function", "seniority", "buyer_role", "email_domain_type"]
[[events]]
source = "tables/touches.parquet"
lead = "lead_id"
at = "touch_timestamp"
type = ["touch_type"]
channel = "touch_channel"
direction = "touch_direction"
campaign = "campaign_id"
[[events]]
source = "tables/sessions.parquet"
lead = "lead_id"
at = "session_timestamp"
type = ["session_type"]
[[events]]
source = "tables/sales_activities.parquet"
lead = "lead_id"
at = "activity_timestamp"
type = ["activity_type"]
[conversion]
horizon = "90d"
horizon_from = "created"
snapshots = ["7d", "30d"]
"""
    (folder / "project.toml").write_text(text)
    project = load_project(folder / "project.toml")
    tables, outcomes = read_tables(project)
    dataset = make_dataset(project, tables, outcomes, threads=1)
    report = audit(
        tables,
        outcomes,
        project,
        seed=0,
        dataset=dataset,
        raw=leads,
        reviews=undeclared_columns(project),
    )
    made = {a.name for a in tables.attributes}
    refused = {v.column for v in report.verdicts if v.detector == "D4"}
    return {
        "traps": {trap: trap in refused and trap not in made for trap in TRAPS},
        "lost": sorted(report.quarantined),
        "honest": len(dataset.frame.catalogue.features),
        "stops": [f"{v.detector}: {v.reason}" for v in (*report.structural, *report.refusals)],
        "auc": report.figures.get("quick_auc_test", float("nan")),
    }
