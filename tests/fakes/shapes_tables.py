"""Shapes of several tables: events alone, purchases, orders of files, blanks, repeats, clocks."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tests.fakes.shapes_funnel import Funnel, ShapeCase, Truth, csv, dates, numbered


def events_alone(f: Funnel) -> ShapeCase:
    ids = np.array(numbered("visitor-{}", len(f), 1001), object)
    acts = f.acts(("page_view", "pricing_page", "demo_video"), 4.0)
    first = pd.DataFrame({"lead": np.arange(len(f)), "at": f.created, "kind": "signup"})
    won = pd.DataFrame({"lead": np.flatnonzero(f.won.notna()), "at": f.won.dropna().to_numpy()})
    log = pd.concat([first, acts, won.assign(kind="opportunity_created")])
    log = log.sort_values("at", kind="stable")
    table = {
        "user_id": ids[log["lead"]],
        "event": log["kind"].to_numpy(),
        "timestamp": dates(log["at"].to_numpy(), "%Y-%m-%dT%H:%M:%SZ"),
        "device": f.rng.choice(("mobile", "desktop"), len(log)),
    }
    return ShapeCase(
        {"events.csv": csv(table)},
        Truth(
            "events.csv",
            "user_id",
            "timestamp",
            f.winners(ids),
            {"events.csv": "leads"},
            answers={"conversion.event": "opportunity_created"},
        ),
    )


def customers_and_purchases(f: Funnel) -> ShapeCase:
    ids = np.array(numbered("C{:05d}", len(f)), object)
    buyers = np.flatnonzero(f.won.notna())
    times = f.rng.integers(1, 5, len(buyers))
    lead = np.repeat(buyers, times)
    at = f.won.to_numpy()[lead] + (
        np.concatenate([np.arange(n) for n in times]) * np.timedelta64(9, "D")
    )
    customers = {
        "customer_id": ids,
        "registered": dates(f.created, "%Y-%m-%d %H:%M:%S"),
        "country": f.country,
        "age_group": f.pick(("18-30", "31-45", "46+")),
        "acquisition": f.source,
    }
    purchases = {
        "order_id": numbered("{}", len(lead), 900_001),
        "customer_id": ids[lead],
        "ordered": dates(at, "%Y-%m-%d %H:%M:%S"),
        "total": f.rng.integers(5, 300, len(lead)),
        "items": f.rng.integers(1, 9, len(lead)),
    }
    return ShapeCase(
        {"purchases.csv": csv(purchases), "customers.csv": csv(customers)},
        Truth(
            "customers.csv",
            "customer_id",
            "registered",
            f.winners(ids),
            {"customers.csv": "leads", "purchases.csv": "conversion"},
            answers={"conversion.at": "ordered"},
        ),
    )


def leads_web_and_calls(f: Funnel) -> ShapeCase:
    ids = np.array(numbered("{}", len(f), 60_001), object)
    web, calls = f.acts(("visit", "download", "webinar"), 4.0), f.acts(("call", "meeting"), 1.0)
    won = pd.DataFrame({"lead": np.flatnonzero(f.won.notna()), "at": f.won.dropna().to_numpy()})
    calls = pd.concat([calls, won.assign(kind="deal signed")]).sort_values("at", kind="stable")
    tables = {
        "z_calls.csv": csv(
            {
                "lead": ids[calls["lead"]],
                "when": dates(calls["at"].to_numpy(), "%d.%m.%Y %H:%M"),
                "action": calls["kind"].to_numpy(),
                "agent": f.rng.choice(("Dana Cole", "Mei Tan"), len(calls)),
            },
            sep=";",
        ),
        "a_web.csv": csv(
            {
                "lead_number": ids[web["lead"]],
                "ts": dates(web["at"], "%m/%d/%Y %H:%M:%S"),
                "activity": web["kind"],
                "medium": f.rng.choice(("mobile", "desktop"), len(web)),
            }
        ),
        "m_people.csv": csv(
            {
                "number": ids,
                "entry date": dates(f.created, "%Y-%m-%d %H:%M:%S"),
                "source": f.source,
                "sector": f.industry,
            },
            sep="\t",
        ),
    }
    return ShapeCase(
        tables,
        Truth(
            "m_people.csv",
            "number",
            "entry date",
            f.winners(ids),
            {"m_people.csv": "leads", "a_web.csv": "events", "z_calls.csv": "events"},
            answers={"conversion.event": "deal signed"},
        ),
    )


def a_third_of_creation_dates_blank(f: Funnel) -> ShapeCase:
    ids = np.array(numbered("L{:04d}", len(f)), object)
    known = f.rng.random(len(f)) > 0.31
    table = {
        "lead_id": ids,
        "created_at": dates(f.created.where(known), "%Y-%m-%d"),
        "source": f.source,
        "industry": f.industry,
        "employees": f.size,
        "opportunity_at": dates(f.won, "%Y-%m-%d"),
    }
    return ShapeCase(
        {"leads.csv": csv(table)},
        Truth(
            "leads.csv",
            "lead_id",
            "created_at",
            f.winners(ids),
            {"leads.csv": "leads"},
            kept=frozenset(ids[known].tolist()),
            answers={"leads.converted_at": "opportunity_at"},
        ),
    )


def repeated_ids(f: Funnel) -> ShapeCase:
    ids = np.array(numbered("{}", len(f), 2_000), object)
    table = pd.DataFrame(
        {
            "Lead number": ids,
            "Created": dates(f.created, "%Y-%m-%d %H:%M"),
            "Source": f.source,
            "Sector": f.industry,
            "Score": f.rng.integers(1, 99, len(f)),
            "Converted on": dates(f.won, "%Y-%m-%d %H:%M"),
        }
    )
    again = table.iloc[[3, 17, 80, 200, 201]].assign(Score=0)
    return ShapeCase(
        {"leads_export.csv": csv(pd.concat([table, again]))},
        Truth(
            "leads_export.csv",
            "Lead number",
            "Created",
            f.winners(ids),
            {"leads_export.csv": "leads"},
            answers={"leads.converted_at": "Converted on"},
        ),
    )


def some_convert_before_they_are_created(f: Funnel) -> ShapeCase:
    ids = np.array(numbered("{}", len(f), 8_000), object)
    early = np.zeros(len(f), bool)
    early[np.flatnonzero(f.won.notna())[:12]] = True
    won = f.won.where(~early, f.created - pd.Timedelta(days=3))
    table = {
        "id": ids,
        "created": dates(f.created, "%Y-%m-%d %H:%M"),
        "source": f.source,
        "industry": f.industry,
        "converted_at": dates(won, "%Y-%m-%d %H:%M"),
    }
    return ShapeCase(
        {"leads.csv": csv(table)},
        Truth(
            "leads.csv",
            "id",
            "created",
            f.winners(ids),
            {"leads.csv": "leads"},
            kept=frozenset(ids[~early].tolist()),
            answers={"leads.converted_at": "converted_at"},
        ),
    )


def moments_in_several_zones(f: Funnel) -> ShapeCase:
    ids = np.array(numbered("ld-{:04d}", len(f)), object)
    leads = {
        "lead_id": ids,
        "created_at": dates(f.created, "%Y-%m-%dT%H:%M:%S+02:00"),
        "utm_source": f.source,
        "industry": f.industry,
        "qualified_at": dates(f.won, "%Y-%m-%dT%H:%M:%S+02:00"),
    }
    acts = f.acts(("open", "click", "reply"))
    epoch = (pd.to_datetime(acts["at"]) - pd.Timestamp(0)) // pd.Timedelta(milliseconds=1)
    mails = {"lead_id": ids[acts["lead"]], "event_time": epoch, "event_type": acts["kind"]}
    return ShapeCase(
        {"mails.csv": csv(mails), "leads.csv": csv(leads)},
        Truth(
            "leads.csv",
            "lead_id",
            "created_at",
            f.winners(ids),
            {"leads.csv": "leads", "mails.csv": "events"},
            answers={"leads.converted_at": "qualified_at"},
        ),
    )


def leading_zeros_lost_in_events(f: Funnel) -> ShapeCase:
    ids = np.array(numbered("{:06d}", len(f), 41), object)
    acts = f.acts(("visit", "form", "call"))
    leads = {
        "customer no": ids,
        "created on": dates(f.created, "%Y-%m-%d"),
        "origin": f.source,
        "sector": f.industry,
        "became opportunity on": dates(f.won, "%Y-%m-%d"),
    }
    touches = {
        "customer no": [int(i) for i in ids[acts["lead"]]],
        "date": dates(acts["at"], "%Y-%m-%d %H:%M"),
        "kind": acts["kind"],
    }
    return ShapeCase(
        {"leads.csv": csv(leads), "touches.csv": csv(touches)},
        Truth(
            "leads.csv",
            "customer no",
            "created on",
            f.winners(ids),
            {"leads.csv": "leads", "touches.csv": "events"},
            answers={"leads.converted_at": "became opportunity on"},
        ),
    )


SHAPES = (
    events_alone,
    customers_and_purchases,
    leads_web_and_calls,
    a_third_of_creation_dates_blank,
    repeated_ids,
    some_convert_before_they_are_created,
    moments_in_several_zones,
    leading_zeros_lost_in_events,
)
