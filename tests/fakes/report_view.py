"""Seeded views for the report's tests and benchmarks: a believable CRM, and a hostile one.

Nothing here is data of anybody: names are put together from lists, outcomes are drawn.
"""

# lists of words and figures read best as they are
from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from serving.worklist import view_parts as p
from serving.worklist.pages.act_phrases import act_phrase, contact_by
from serving.worklist.pages.act_phrases import ago as ago_in_words
from serving.worklist.view import About, ReportView
from serving.worklist.view_lead import LeadDetail, ReportLead
from serving.worklist.view_week import (
    ContactRow,
    MissedFollowUp,
    Mover,
    MoversPage,
    OwnerWeek,
    PlanPoint,
    TouchSpeed,
    WeekPage,
)
from tests.fakes.report_pages import (
    AS_OF,
    SOURCES,
    ago,
    interval,
    make_experiment,
    make_forecast,
    make_funnel,
    make_trust,
)

_FIRST = (
    "Northwind",
    "Calder",
    "Aldine",
    "Brightwater",
    "Meridian",
    "Halcyon",
    "Ostrava",
    "Lindqvist",
    "Verde",
    "Kestrel",
    "Marlowe",
    "Tramontana",
    "Rubicon",
    "Solstice",
    "Fjord",
    "Quarry",
    "Pellegrini",
    "Dubois",
    "Amsel",
    "Harbour",
    "Juniper",
    "Castellan",
    "Ferrante",
    "Okafor",
    "Sakura",
    "Tavush",
    "Zagros",
    "Alborz",
    "Delacroix",
    "Bianchi",
    "Moreau",
    "Novak",
    "Whitby",
    "Larch",
)
_SECOND = (
    "Logistics",
    "Foods",
    "Instruments",
    "Clinics",
    "Textiles",
    "Robotics",
    "Analytics",
    "Energy",
    "Publishing",
    "Outdoors",
    "Travel",
    "Insurance",
    "Software",
    "Partners",
    "Ceramics",
    "Pharma",
    "Retail",
    "Motors",
    "Labs",
    "Consulting",
)
_OWNERS = (
    *("Giulia Ferri", "Camille Laurent", "Tom Okonkwo", "مریم رضایی", "Ana Petrov", "Ben Hartley"),
    *("Sofia Conti", "Luc Moreau", "Neda Karimi", "Ida Holm", "Paul Weber", "Rosa Lima"),
)
_STAGES = ("lead", "prospect", "opportunity-ready")
_EVENTS = (
    *("pricing page", "demo request", "webinar", "e-book", "newsletter", "contact form", "chat"),
    *("free trial", "seminar", "phone call", "email sent", "meeting"),
)
_SALES = {"phone call", "email sent", "meeting"}
_FOR = (
    ("pricing page", "engagement", "count_window", {"event": 1, "days": 7}),
    ("demo request", "engagement", "days_since", {"event": 1}),
    ("webinar", "engagement", "count_ever", {"event": 1}),
    ("free trial", "engagement", "days_since", {"event": 1}),
    ("industry", "fit", "attribute", {"column": 1, "value": "manufacturing"}),
    ("employees", "fit", "attribute", {"column": 1, "value": 240}),
    ("budget", "qualification", "known_since", {"column": 1, "days": 12}),
    ("active days", "engagement", "active_days", {"days": 28}),
)
_AGAINST = (
    ("e-mail domain", "fit", "email_domain_kind", {"value": "free"}),
    ("last event", "engagement", "days_since_last_event", {}),
    ("seniority", "fit", "seniority", {"value": "junior"}),
    ("newsletter", "engagement", "count_window", {"event": 1, "days": 28}),
    ("country", "fit", "attribute", {"column": 1, "value": "other"}),
)
_STEPS = (
    "Call and ask about the budget",
    "Offer a demo",
    "Invite to the next webinar",
    "Send a case study and prices",
    "Ask who decides",
)


def make_view(
    leads: int = 300, owners: int = 6, seed: int = 7, top_per_owner: int = 100
) -> ReportView:
    """Build a whole report of so many leads; same seed, same view."""
    rng = np.random.default_rng(seed)
    scores = np.sort(np.clip(rng.normal(50, 15, leads).round(), 2, 99).astype(int))[::-1]
    taken: dict[str, int] = {}
    rows = []
    for i, score in enumerate(scores):
        lead = _lead(rng, i, int(score), _OWNERS[int(rng.integers(owners))])
        taken[lead.owner] = taken.get(lead.owner, 0) + 1
        if taken[lead.owner] > top_per_owner:
            lead = replace(lead, detail=None)
        rows.append(lead)
    return ReportView(
        about=About(
            project="acme",
            title="Acme Software",
            as_of=AS_OF.isoformat(),
            model_version="acme-14",
            horizon_days=90,
            typical_score=51,
            points_to_double=10.0,
            top_per_owner=top_per_owner,
            project_file="examples/software_trial.toml",
            run_id="2026-11-22-a",
            crm_link="https://crm.example.com/leads/{lead_id}",
            live_link="https://leads.example.com/",
            open_leads=leads,
        ),
        leads=tuple(rows),
        week=_week(rng, rows),
        movers=_movers(rng, rows),
        funnel=make_funnel(rng, leads),
        forecast=make_forecast(rng),
        trust=make_trust(rng),
        experiment=make_experiment(rng),
    )


def probability(score: float) -> float:
    """Read the score card: 50 is 6 %, every ten points double the odds."""
    odds = 0.06 / 0.94 * 2 ** ((score - 50) / 10)
    return odds / (1 + odds)


def _reason(rng: np.random.Generator, spec: tuple, points: int) -> p.ShownReason:  # type: ignore[type-arg]
    factor, family, template, given = spec
    params: dict[str, p.Scalar] = {"label": factor}
    for name, value in given.items():
        params[name] = factor if value == 1 and name in ("event", "column") else value
    params.setdefault("value", int(rng.integers(2, 9)))
    params.setdefault("count", params["value"])
    rate = float(np.clip(0.2 + points / 60, 0.02, 0.8))
    return p.ShownReason(
        factor,
        family,
        template,
        params,
        points,
        changeable=factor in ("budget", "demo request"),
        fact=p.ShownFact(rate, 0.06, int(rng.integers(60, 900))) if abs(points) > 3 else None,
    )


def _split(rng: np.random.Generator, total: int) -> tuple[list[int], list[int], int]:
    """Split score - typical into reasons for, reasons against and a rest that add up."""
    ups = sorted((int(x) for x in rng.integers(1, 13, rng.integers(2, 6))), reverse=True)
    downs = sorted(int(-x) for x in rng.integers(1, 9, rng.integers(1, 5)))
    scale = max(0.25, 1 + (total - sum(ups) - sum(downs)) / 40)
    ups = sorted((max(1, round(x * scale)) for x in ups), reverse=True)
    while abs(total - sum(ups) - sum(downs)) > 6:
        gap = total - sum(ups) - sum(downs)
        if gap > 0:
            ups[0] += gap - 3
        else:
            downs[0] += gap + 3
    return ups, downs, total - sum(ups) - sum(downs)


def _lead(rng: np.random.Generator, i: int, score: int, owner: str) -> ReportLead:
    name = f"{_FIRST[int(rng.integers(len(_FIRST)))]} {_SECOND[int(rng.integers(len(_SECOND)))]}"
    ups, downs, rest = _split(rng, score - 51)
    chosen = rng.permutation(len(_FOR))[: len(ups)]
    against = rng.permutation(len(_AGAINST))[: len(downs)]
    pros = tuple(_reason(rng, _FOR[int(k)], x) for k, x in zip(chosen, ups, strict=True))
    cons = tuple(_reason(rng, _AGAINST[int(k)], x) for k, x in zip(against, downs, strict=True))
    families: dict[str, int] = {"fit": 0, "engagement": 0, "qualification": 0, "context": rest}
    for reason in (*pros, *cons):
        families[reason.family] += reason.points
    chance = probability(score)
    age = float(rng.integers(2, 80))
    touched = float(rng.uniform(0, min(age, 30))) if rng.random() < 0.8 else None
    band = "A" if score >= 70 else "B" if score >= 55 else "C" if score >= 40 else "D"
    stage = _STAGES[2 if score >= 72 else 1 if score >= 52 else 0]
    rule = None
    if rng.random() < 0.02:
        rule = "competitor" if rng.random() < 0.5 else "student"
    return ReportLead(
        lead_id=f"L-{i + 1:05d}",
        name=name,
        owner=owner,
        score=score,
        band=band,
        probability=chance,
        counted=chance,
        probability_low=chance * 0.75,
        probability_high=min(0.97, chance * 1.3),
        percentile=0.0,
        trend=("rising", "steady", "steady", "falling", "new")[int(rng.integers(5))],
        source=SOURCES[int(rng.integers(6))],
        stage=stage,
        grid="ABCD"[int(rng.integers(4))] + str(int(rng.integers(1, 5))),
        families=families,
        reasons=tuple(sorted((*pros, *cons), key=lambda r: -abs(r.points))[:3]),
        step=p.NextStep(p.Phrase(_STEPS[int(rng.integers(5))]), int(rng.integers(2, 9))),
        last_touch_at=None if touched is None else ago(touched),
        created_at=ago(age),
        rule=rule,
        detail=_detail(rng, score, pros, cons, rest, age, stage),
        back=_BACK if i % 12 == 5 else None,
        person=f"{_PERSONS[i % 7]} {_PERSONS[(i // 7) % 7]}on",
        company=name,
        title=_TITLES[i % 4],
        team="North" if owner < "M" else "South",
        email=f"person{i}@example.com",
        amount=1_000.0 * (i % 9 + 1),
        worth=None if rule else 1_000.0 * (i % 9 + 1) * chance,
        old_score=score - (0, 1, 9, -5, 3)[i % 5],
        old_band="ABCD"[(i % 5 + (0 if score >= 70 else 1)) % 4],
        weeks=tuple(int(x) for x in np.clip(rng.normal(score, 5, 9), 0, 100)),
        lanes=_LANES[i % 6],
    )


_PERSONS = ("Ada", "Bruno", "Chiara", "Daniel", "Elif", "Farid", "Greta")
_TITLES = ("Head of IT", "Operations Manager", "Buyer", "")
_ASKED = p.Phrase(
    "{act}, not answered yet", {"act": act_phrase({}, "chat", "lead", ago_in_words(2))}
)
_COLD = p.Phrase("Sales has not been in touch for {n} days", {"n": 12})
_HOT = p.Phrase("Rose from {old} to {new} within a week", {"old": "C", "new": "B"})
_LANES: tuple[tuple[p.LaneEntry, ...], ...] = (
    (),
    (p.LaneEntry("answer", _ASKED, ago(2)),),
    (p.LaneEntry("cold", _COLD, ago(12)),),
    (),
    (p.LaneEntry("hot", _HOT, ago(7)),),
    (),
)


_BACK = p.Comeback(ago(240), "too small", ago(3), "demo request", 2)
_BUDGET = p.Phrase("{fact} ✓", {"fact": "budget", "column": "budget"})
_SAID = p.Feedback(
    "2026-11-20T09:00:00+00:00", "too_high", "no budget before May", "Ada", 80, earlier=True
)


def _detail(
    rng: np.random.Generator,
    score: int,
    pros: tuple[p.ShownReason, ...],
    cons: tuple[p.ShownReason, ...],
    rest: int,
    age: float,
    stage: str,
) -> LeadDetail:
    weeks = int(min(12, age // 5 + 1))
    path = np.clip(np.linspace(48, score, weeks) + rng.normal(0, 3, weeks), 1, 99)
    path[-1] = score
    kinds = rng.integers(0, len(_EVENTS), int(rng.integers(3, 14)))
    days = np.sort(rng.uniform(0, age, len(kinds)))
    answers = (
        p.CardAnswer("need", "aware" if rng.random() < 0.6 else None, ago(9)),
        p.CardAnswer("budget", "20-50k" if rng.random() < 0.4 else None, ago(12)),
        p.CardAnswer("authority", "decides" if rng.random() < 0.3 else None, ago(4)),
        p.CardAnswer("timing", "this quarter" if rng.random() < 0.3 else None, ago(3)),
    )
    return LeadDetail(
        typical=51,
        reasons_for=pros,
        reasons_against=cons,
        rest_points=rest,
        answers=answers,
        icp=(
            p.CriterionMatch("50 to 500 employees", True, 2),
            p.CriterionMatch("manufacturing or logistics", rng.random() < 0.5, 1),
            p.CriterionMatch("in our countries", None, 1),
        ),
        icp_match=0.75,
        history=tuple(p.PastScore(ago(7.0 * (weeks - 1 - k)), int(x)) for k, x in enumerate(path)),
        timeline=tuple(
            p.TimelineEvent(
                ago(float(day)), _EVENTS[kind], "outbound" if _EVENTS[kind] in _SALES else "inbound"
            )
            for day, kind in zip(days, kinds, strict=True)
        ),
        similar=(
            p.SimilarLead("Larch Robotics", score - 2, 31),
            p.SimilarLead("Whitby Foods", score + 1, 18),
        ),
        content=("case study", "price list") if stage != "lead" else ("starter guide",),
        missing_for_next=() if stage == "opportunity-ready" else (_BUDGET,),
        next_stage=None if stage == "opportunity-ready" else "opportunity-ready",
        rescored=p.NextStep(contact_by("meeting"), 4),
        levels={"interest": ("low", "medium", "high")[weeks % 3]},
        feedback=() if weeks % 5 else (_SAID,),
        unstable=bool(rng.random() < 0.05),
        changes=(
            p.ShownChangeLine("events", 5, pros[0]),
            p.ShownChangeLine(
                "time",
                -2,
                aged=p.Phrase("the latest earlier activity is now {n} days old", {"n": 9}),
            ),
        ),
        missing_roles=(p.Phrase("no second person is known there yet"),),
    )


def _week(rng: np.random.Generator, leads: list[ReportLead]) -> WeekPage:
    callable_ = [lead for lead in leads if not lead.rule]
    capacity = min(120, max(1, len(callable_) // 2))
    called, left = callable_[:capacity], callable_[capacity:]
    expected = sum(lead.probability for lead in called)
    owners = sorted({lead.owner for lead in leads})
    shares = []
    for owner in owners:
        mine = [lead for lead in called if lead.owner == owner]
        total = sum(lead.probability for lead in mine)
        opened = sum(1 for lead in leads if lead.owner == owner)
        shares.append(
            OwnerWeek(owner, opened, len(mine), interval(total, 1.6 * math.sqrt(total + 0.1)))
        )
    plan = []
    for calls in range(10, len(callable_) + 1, max(10, len(callable_) // 20)):
        total = sum(lead.probability for lead in callable_[:calls])
        spread = 1.6 * math.sqrt(total)
        plan.append(
            PlanPoint(
                calls,
                callable_[calls - 1].score,
                total,
                max(0, total - spread),
                total + spread,
                total * 4000 - calls * 35,
                p.Interval(total * 4000, total * 3000, total * 5000),
            )
        )
    missed = tuple(
        MissedFollowUp(lead.lead_id, int(rng.integers(7, 30)), lead.last_touch_at is not None)
        for lead in called[3:70:5]
    )
    return WeekPage(
        capacity=capacity,
        cut_off=called[-1].score if called else None,
        calls=tuple(lead.lead_id for lead in called),
        expected=interval(expected, 1.6 * math.sqrt(expected)),
        left_behind=interval(sum(lead.probability for lead in left), 4.0),
        newest_first=expected * 0.42,
        owners=tuple(shares),
        missed=missed,
        missed_days=7,
        speed=TouchSpeed(
            640,
            19.5,
            0.57,
            41,
            ((1.0, 90, 0.142), (24.0, 275, 0.094), (72.0, 150, 0.061), (None, 84, 0.03)),
        ),
        plan=tuple(plan),
        plan_by_value=tuple(plan),
        plan_by_urgency=tuple(plan),
        best_calls=capacity,
        best_profit=90_000.0,
        cost_per_contact=35.0,
        contacts=(
            ContactRow("A", 9, p.Interval(0.67, 0.35, 0.88), 0.15, 0.4),
            ContactRow("D", 51, p.Interval(0.2, 0.11, 0.33), 0.85, 0.6),
        ),
    )


def _movers(rng: np.random.Generator, leads: list[ReportLead]) -> MoversPage:
    def mover(lead: ReportLead, sign: int) -> Mover:
        parts = [
            p.ShownChangeLine("events", sign * int(rng.integers(5, 14)), _reason(rng, _FOR[0], 1)),
            p.ShownChangeLine("time", -sign * int(rng.integers(1, 4))),
            p.ShownChangeLine("edits", sign * int(rng.integers(1, 4)), _reason(rng, _FOR[4], 1)),
        ]
        moved = sum(line.points for line in parts)
        cause: p.Cause = "intent" if sign > 0 else "quiet"
        old_band, band = ("B", "A") if lead.score % 2 else (lead.band, lead.band)
        return Mover(
            lead.lead_id, lead.score - moved, lead.score, tuple(parts), cause, old_band, band
        )

    some = leads[5:85:10]
    return MoversPage(
        since=ago(7),
        rises=tuple(mover(lead, 1) for lead in some[::2]),
        falls=tuple(mover(lead, -1) for lead in some[1::2]),
        unchanged=max(0, len(leads) - len(some)),
        moved=len(some),
    )
