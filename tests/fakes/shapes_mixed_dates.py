"""Shapes where columns look alike: states before and after, two orders of dates, dotted names."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tests.fakes.shapes_funnel import END, Funnel, ShapeCase, Truth, csv, dates, numbered


def german_log_with_the_state_before(f: Funnel) -> ShapeCase:
    """Two columns of one vocabulary: what a lead was, and what it became."""
    ids = np.array(numbered("K{:05d}", len(f)), object)
    moves = f.acts(("Kontaktiert", "Qualifiziert", "Angebot"), 1.0)
    ends = pd.DataFrame(
        {
            "lead": np.arange(len(f)),
            "at": f.closed,
            "kind": np.where(f.won.notna(), "Gewonnen", "Verloren"),
        }
    ).dropna()
    begin = pd.DataFrame({"lead": np.arange(len(f)), "at": f.created, "kind": "Neu"})
    log = pd.concat([begin, moves, ends]).sort_values(["lead", "at"], kind="stable")
    before = log.groupby("lead")["kind"].shift().fillna("")
    history = pd.DataFrame(
        {
            "LeadNr": ids[log["lead"]],
            "Alter Status": before.to_numpy(),
            "Neuer Status": log["kind"].to_numpy(),
            "Geändert am": dates(log["at"].to_numpy(), "%d.%m.%Y %H:%M:%S"),
        }
    )
    leads = {
        "LeadNr": ids,
        "Angelegt am": dates(f.created, "%d.%m.%Y %H:%M:%S"),
        "Branche": f.industry,
        "Quelle": f.source,
        "Mitarbeiter": f.size,
    }
    return ShapeCase(
        {
            "leads.csv": csv(leads, sep=";"),
            "statusverlauf.csv": csv(history, sep=";", encoding="cp1252"),
        },
        Truth(
            "leads.csv",
            "LeadNr",
            "Angelegt am",
            f.winners(ids),
            {"leads.csv": "leads", "statusverlauf.csv": "events"},
            encodings={"statusverlauf.csv": "cp1252"},
        ),
    )


def two_orders_of_day_and_month(f: Funnel) -> ShapeCase:
    """Two systems in one table: created month first, won day first."""
    ids = numbered("{}", len(f), 700_001)
    table = {
        "id": ids,
        "signup_date": dates(f.created, "%m/%d/%Y"),
        "lead_source": f.source,
        "employees": f.size,
        "became_customer_on": dates(f.won, "%d/%m/%Y"),
    }
    return ShapeCase(
        {"users.csv": csv(table)},
        Truth("users.csv", "id", "signup_date", f.winners(ids), {"users.csv": "leads"}),
    )


def product_events_with_dotted_names(f: Funnel) -> ShapeCase:
    """A log alone, of names with dots: every person begins with the same event."""
    ids = np.array(numbered("u_{:06x}", len(f), 4096), object)
    begin = pd.DataFrame({"lead": np.arange(len(f)), "at": f.created, "kind": "Signed Up"})
    acts = f.acts(("Page Viewed", "Invite Sent", "Report Exported"))
    won = pd.DataFrame({"lead": np.arange(len(f)), "at": f.won, "kind": "Subscription Started"})
    log = pd.concat([begin, acts, won.dropna()]).sort_values("at", kind="stable")
    events = {
        "event": log["kind"].to_numpy(),
        "properties.distinct_id": ids[log["lead"]],
        "properties.time": dates(log["at"].to_numpy(), "%Y-%m-%dT%H:%M:%SZ"),
    }
    return ShapeCase(
        {"events.csv": csv(events)},
        Truth(
            "events.csv",
            "properties.distinct_id",
            "properties.time",
            f.winners(ids),
            {"events.csv": "leads"},
        ),
    )


def french_visits_at_14h05(f: Funnel) -> ShapeCase:
    """Times of the day with an h; a date of signature that only the won have."""
    ids = np.array(numbered("P{}", len(f)), object)
    acts = f.acts(("Appel", "E-mail", "Rendez-vous"), 1.5)
    actions = {
        "Prospect": ids[acts["lead"]],
        "Le": dates(acts["at"], "%d-%m-%y %Hh%M"),
        "Type d'action": acts["kind"].to_numpy(),
    }
    prospects = {
        "Réf. prospect": ids,
        "Date d'entrée": dates(f.created, "%d-%m-%y"),
        "Canal d'acquisition": f.source,
        "Nombre de salariés": f.size,
        "Signé": np.where(f.won.notna(), "Oui", "Non"),
        "Date de signature": dates(f.won, "%d-%m-%y"),
        "Dernière modification": dates(f.closed.fillna(END), "%d-%m-%y"),
    }
    return ShapeCase(
        {"prospects.csv": csv(prospects, sep=";"), "actions.csv": csv(actions, sep=";")},
        Truth(
            "prospects.csv",
            "Réf. prospect",
            "Date d'entrée",
            f.winners(ids),
            {"prospects.csv": "leads", "actions.csv": "events"},
        ),
    )


SHAPES = (
    german_log_with_the_state_before,
    two_orders_of_day_and_month,
    product_events_with_dotted_names,
    french_visits_at_14h05,
)
