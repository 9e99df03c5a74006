"""Eight shapes written after init was rebuilt, to see how it does on what it was not made for."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd

from tests.fakes.shapes_funnel import END, Funnel, ShapeCase, Truth, csv, dates, numbered


def board_of_items(f: Funnel) -> ShapeCase:
    """A board of monday.com: emoji in stages, months by name."""
    ids = numbered("{}", len(f), 5_550_001)
    table = {
        "Name": [f"{company} {i}" for i, company in enumerate(f.company)],
        "Owner": f.owner,
        "Stage": f.stage("Won 🎉", "Lost ❌", ("Working on it", "Proposal sent")),
        "Deal size": f.size * 20,
        "Source": f.source,
        "Creation log": dates(f.created, "%b %d, %Y %I:%M %p"),
        "Close date": dates(f.closed, "%b %d, %Y %I:%M %p"),
        "Item ID": ids,
    }
    truth = Truth(
        "Sales_board.csv",
        "Item ID",
        "Creation log",
        f.winners(ids),
        {"Sales_board.csv": "leads"},
    )
    return ShapeCase({"Sales_board.csv": csv(table)}, truth)


def typed_parquet(f: Funnel) -> ShapeCase:
    """Tables out of a warehouse: moments with a zone, truths, categories."""
    ids = np.array(numbered("{}", len(f), 70_000_001)).astype(np.int64)
    leads = pd.DataFrame(
        {
            "lead_key": ids,
            "created_ts": pd.to_datetime(f.created).dt.tz_localize("UTC"),
            "segment": pd.Categorical(f.industry),
            "source": pd.Categorical(f.source),
            "employees": f.size,
            "is_won": f.won.notna(),
            "won_ts": pd.to_datetime(f.won).dt.tz_localize("UTC"),
        }
    )
    acts = f.acts(("email", "call"))
    touches = pd.DataFrame(
        {
            "lead_key": ids[acts["lead"]],
            "touch_ts": pd.to_datetime(acts["at"]).dt.tz_localize("UTC"),
            "touch_kind": pd.Categorical(acts["kind"]),
        }
    )
    files = {}
    for name, frame in (("fct_touches.parquet", touches), ("dim_lead.parquet", leads)):
        buffer = io.BytesIO()
        frame.to_parquet(buffer, index=False)
        files[name] = buffer.getvalue()
    return ShapeCase(
        files,
        Truth(
            "dim_lead.parquet",
            "lead_key",
            "created_ts",
            f.winners([str(i) for i in ids]),
            {"dim_lead.parquet": "leads", "fct_touches.parquet": "events"},
        ),
    )


def pipeline_in_polish(f: Funnel) -> ShapeCase:
    """A language that the vocabulary does not have."""
    ids = numbered("{}/2024", len(f), 100)
    table = {
        "Numer": ids,
        "Klient": f.company,
        "Etap": f.stage("Wygrana", "Przegrana", ("Nowa", "Negocjacje", "Oferta")),
        "Data utworzenia": dates(f.created, "%d.%m.%Y"),
        "Data zamknięcia": dates(f.closed, "%d.%m.%Y"),
        "Źródło": f.source,
        "Opiekun": f.owner,
    }
    return ShapeCase(
        {"Szanse.csv": csv(table, sep=";", encoding="utf-8-sig")},
        Truth("Szanse.csv", "Numer", "Data utworzenia", f.winners(ids), {"Szanse.csv": "leads"}),
    )


def company_is_older_than_the_contact(f: Funnel) -> ShapeCase:
    """Two dates of creation, the earlier one of the company."""
    ids = numbered("{}", len(f), 31_001)
    older = pd.Series(f.created) - pd.to_timedelta(f.rng.integers(1, 900, len(f)), unit="D")
    table = {
        "Record ID": ids,
        "Company Create Date": dates(older, "%Y-%m-%d %H:%M"),
        "First Name": f.first,
        "Last Name": f.last,
        "Create Date": dates(f.created, "%Y-%m-%d %H:%M"),
        "Original Source": f.source,
        "Industry": f.industry,
        "Became a Sales Qualified Lead Date": dates(f.won, "%Y-%m-%d %H:%M"),
        "Recent Sales Email Opened Date": dates(f.closed.fillna(END), "%Y-%m-%d %H:%M"),
    }
    return ShapeCase(
        {"contacts.csv": csv(table)},
        Truth(
            "contacts.csv", "Record ID", "Create Date", f.winners(ids), {"contacts.csv": "leads"}
        ),
    )


def log_of_statuses(f: Funnel) -> ShapeCase:
    """The outcome stands in a log of changes of status, without a column for the field."""
    ids = np.array(numbered("Q-{:05d}", len(f)), object)
    moves = f.acts(("Contacted", "Nurturing"), 1.0)
    ends = pd.DataFrame(
        {
            "lead": np.arange(len(f)),
            "at": f.closed,
            "kind": np.where(f.won.notna(), "Converted", "Disqualified"),
        }
    ).dropna()
    log = pd.concat([moves, ends]).sort_values("at", kind="stable")
    statuses = {
        "prospect": ids[log["lead"]],
        "status_from": "New",
        "status_to": log["kind"].to_numpy(),
        "moved": dates(log["at"].to_numpy(), "%Y-%m-%d %H:%M:%S"),
    }
    prospects = {
        "prospect": ids,
        "opened": dates(f.created, "%Y-%m-%d %H:%M:%S"),
        "segment": f.industry,
        "origin": f.source,
        "headcount": f.size,
    }
    return ShapeCase(
        {"status_log.csv": csv(statuses), "prospects.csv": csv(prospects)},
        Truth(
            "prospects.csv",
            "prospect",
            "opened",
            f.winners(ids),
            {"prospects.csv": "leads", "status_log.csv": "events"},
        ),
    )


def crosses_for_yes(f: Funnel) -> ShapeCase:
    """A list kept by hand: an x for those who bought, nothing for the others."""
    ids = numbered("{}", len(f), 1)
    table = {
        "Nr": ids,
        "Date of first contact": dates(f.created, "%d/%m/%y"),
        "Who": f.company,
        "Came from": f.source,
        "Branch": f.industry,
        "Bought": np.where(f.won.notna(), "x", ""),
    }
    return ShapeCase(
        {"list.csv": csv(table, sep=";", encoding="cp1252")},
        Truth(
            "list.csv",
            "Nr",
            "Date of first contact",
            f.winners(ids),
            {"list.csv": "leads"},
            encodings={"list.csv": "cp1252"},
        ),
    )


def insurance_quotes(f: Funnel) -> ShapeCase:
    """A date whose name says nothing, thousands with commas, a number that only buyers have."""
    ids = numbered("QT{:06d}", len(f), 77)
    table = {
        "QuoteRef": ids,
        "QuoteDate": dates(f.created, "%d/%m/%Y"),
        "Product": f.pick(("Motor", "Home", "Travel")),
        "Premium": [f"£{value:,.2f}" for value in f.size * 31.5],
        "Excess": f.rng.integers(0, 5, len(f)) * 100,
        "Aggregator": f.source,
        "PolicyNo": np.where(f.won.notna(), "P" + pd.Series(ids), ""),
        "InceptionDate": dates(f.won, "%d/%m/%Y"),
    }
    return ShapeCase(
        {"quotes.csv": csv(table)},
        Truth("quotes.csv", "QuoteRef", "QuoteDate", f.winners(ids), {"quotes.csv": "leads"}),
    )


def files_of_months(f: Funnel) -> ShapeCase:
    """One export a half-year, all of the same columns."""
    ids = np.array(numbered("{}", len(f), 40_001), object)
    table = pd.DataFrame(
        {
            "Lead ID": ids,
            "Created": dates(f.created, "%Y-%m-%d %H:%M"),
            "Source": f.source,
            "Industry": f.industry,
            "Converted on": dates(f.won, "%Y-%m-%d %H:%M"),
        }
    )
    cuts = np.array_split(np.arange(len(f)), 3)
    names = ("leads-2023-1.csv", "leads-2023-2.csv", "leads-2024-1.csv")
    files = {name: csv(table.iloc[rows]) for name, rows in zip(names, cuts, strict=True)}
    roles = dict.fromkeys(names, "leads")
    return ShapeCase(files, Truth("leads-*.csv", "Lead ID", "Created", f.winners(ids), roles))


SHAPES = (
    board_of_items,
    typed_parquet,
    pipeline_in_polish,
    company_is_older_than_the_contact,
    log_of_statuses,
    crosses_for_yes,
    insurance_quotes,
    files_of_months,
)
