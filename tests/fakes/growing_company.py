"""A small company whose CSV exports grow, are edited, lose rows and gain accounts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

PROJECT = """[project]
name = "growing"
timezone = "Europe/Rome"
[leads]
source = "leads.csv"
id = "lead_id"
created_at = "created_at"
recorded_at = "recorded_at"
account = "account"
name = ["first", "last"]
email = "email"
value = "worth"
fixed = ["country", "size"]
[leads.known_at]
budget = "budget_at"
[[leads.history]]
source = "history.csv"
lead = "lead_id"
[[leads.join]]
source = "accounts.csv"
on = "account"
fixed = ["industry"]
[[events]]
source = "touches.csv"
lead = "lead_id"
at = "at"
recorded_at = "seen_at"
type = ["type"]
channel = "channel"
value = "sum"
campaign = "campaign"
person = "person"
outcome = ["closed"]
[[events]]
source = "calls.csv"
lead = "lead_id"
at = "at"
type = ["=call"]
direction = "=outbound"
[conversion]
source = "deals.csv"
lead = "lead_id"
at = "won_at"
horizon = "30d"
reopen = "any inbound"
[value]
source = "payments.csv"
lead = "lead_id"
at = "paid_at"
amount = "amount"
"""
START = pd.Timestamp("2026-01-01")


@dataclass
class GrowingCompany:
    """Tables in memory, written as CSV files beside the project file."""

    folder: Path
    rng: np.random.Generator
    tables: dict[str, pd.DataFrame]

    @classmethod
    def begin(cls, folder: Path, seed: int, n_leads: int = 60) -> GrowingCompany:
        """Write a company of some leads and their events."""
        company = cls(folder, np.random.default_rng(seed), {})
        company.tables = {"leads": company._leads(0, n_leads)}
        company.tables["accounts"] = pd.DataFrame(
            {
                "account": [f"A{i}" for i in range(12)],
                "industry": company.rng.choice(["steel", "food"], 12),
            }
        )
        for name, rows in (("touches", 400), ("calls", 90), ("history", 80), ("payments", 40)):
            company.tables[name] = company._rows(name, rows)
        company.tables["deals"] = company._rows("deals", 15)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "growing.toml").write_text(PROJECT)
        for name in company.tables:
            company.write(name)
        return company

    @property
    def file(self) -> Path:
        """The project file."""
        return self.folder / "growing.toml"

    def write(self, name: str) -> None:
        """Write a table as its CSV file."""
        self.tables[name].to_csv(self.folder / f"{name}.csv", index=False)

    def append(self, name: str, rows: int) -> None:
        """Put rows behind a file, as a CRM does, without writing it anew."""
        new = self._leads(len(self.tables["leads"]), rows) if name == "leads" else None
        new = self._rows(name, rows) if new is None else new
        self.tables[name] = pd.concat([self.tables[name], new], ignore_index=True)
        new.to_csv(self.folder / f"{name}.csv", mode="a", header=False, index=False)

    def step(self, what: str) -> None:
        """Do one thing that happens to exports."""
        rng = self.rng
        if what == "append":
            self.append(str(rng.choice(["touches", "calls", "history", "payments", "leads"])), 7)
        elif what == "events before their lead":
            self.tables["touches"] = pd.concat(
                [self.tables["touches"], self._touch_of(f"L{len(self.tables['leads']):03d}")]
            )
            self.write("touches")
        elif what == "delete":
            name = str(rng.choice(["touches", "leads", "payments", "deals"]))
            kept = rng.random(len(self.tables[name])) < 0.9
            kept[:3] = True
            self.tables[name] = self.tables[name][kept]
            self.write(name)
        elif what == "edit":
            touches = self.tables["touches"].copy()
            touches.iloc[int(rng.integers(len(touches))), 2] = "webinar"
            self.tables["touches"] = touches
            self.write("touches")
        elif what == "another account":
            leads = self.tables["leads"].copy()
            place = int(rng.integers(len(leads)))
            leads.iloc[place, leads.columns.get_loc("account")] = f"A{rng.integers(12)}"
            self.tables["leads"] = leads
            self.write("leads")
        elif what == "touch":
            self.write("touches")

    def _leads(self, first: int, n: int) -> pd.DataFrame:
        rng = self.rng
        created = START + pd.to_timedelta(rng.integers(0, 1_700_000, n), unit="s")
        account = [f"A{i}" if rng.random() < 0.7 else "" for i in rng.integers(0, 12, n)]
        ids = [f"L{first + i:03d}" for i in rng.permutation(n)]
        return pd.DataFrame(
            {
                "lead_id": ids,
                "created_at": created.astype(str),
                "recorded_at": (created + pd.Timedelta("1h")).astype(str),
                "account": account,
                "first": rng.choice(["Ada", "Bo", ""], n),
                "last": rng.choice(["Rossi", "Wu"], n),
                "email": [f"{i}@x.example" for i in ids],
                "worth": rng.choice(["10", "20.5", ""], n),
                "country": rng.choice(["IT", "FR", ""], n),
                "size": rng.choice(["1", "007", "30"], n),
                "budget": rng.choice(["yes", "no", ""], n),
                "budget_at": (created + pd.Timedelta("3D")).astype(str),
                "phase": rng.choice(["new", "old"], n),
                "phone": [f"+39 055 {i}" for i in range(n)],
            }
        )

    def _rows(self, name: str, n: int) -> pd.DataFrame:
        rng, leads = self.rng, self.tables["leads"]["lead_id"].to_numpy()
        lead = rng.choice([*leads, "nobody"], n)
        at = START + pd.to_timedelta(rng.integers(1_800_000, 12_000_000, n), unit="s").floor("6h")
        dated = pd.DataFrame({"lead_id": lead, "at": at.astype(str)})
        if name == "touches":
            return dated.assign(
                type=rng.choice(["visit", "mail", "demo", "closed"], n, p=[0.5, 0.3, 0.1, 0.1]),
                channel=rng.choice(["web", "phone", ""], n),
                sum=rng.choice(["1", "2.5", ""], n),
                campaign=rng.choice(["c1", "c2", ""], n),
                person=rng.choice(["p1", "p2", "p3@x.example", ""], n),
                seen_at=(at + pd.to_timedelta(rng.integers(0, 9, n), unit="D")).astype(str),
                note='"quoted, and over\ntwo lines"',
            )
        if name == "history":
            return dated.rename(columns={"at": "changed_at"}).assign(
                field=rng.choice(["phase", "grade"], n),
                old=rng.choice(["new", "1"], n),
                new=rng.choice(["old", "2"], n),
            )
        if name == "payments":
            return dated.rename(columns={"at": "paid_at"}).assign(
                amount=rng.choice(["5", "7.5"], n)
            )
        return dated.rename(columns={"at": "won_at"}) if name == "deals" else dated

    def _touch_of(self, lead: str) -> pd.DataFrame:
        return self._rows("touches", 3).assign(lead_id=lead)
