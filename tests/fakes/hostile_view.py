"""Sixty leads that attack the report: scripts, formulas, direction marks, names of a megabyte."""

# lists of words and figures read best as they are
from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any, get_type_hints

from serving.worklist import view_parts as p
from serving.worklist.view import ReportView
from serving.worklist.view_lead import ReportLead
from tests.fakes.report_pages import AS_OF
from tests.fakes.report_view import make_view

ATTACKS = (
    "=cmd|'/c calc'!A1",
    "+SUM(1)",
    "-2+3",
    "@SUM",
    "\t=1",
    "\r=1",
    "\x00=1",
    "＝1",
    "<script>window.hacked=1</script>",
    '"><img src=x onerror="window.hacked=2">',
    "'><svg onload=window.hacked=3>",
    "javascript:window.hacked=4",
    "</script><script>window.hacked=5</script>",
    "{{7*7}}",
    "${7*7}",
    "{0.__class__}",
    "%(x)s",
    "\\u003cb\\u003e",
    "&lt;b&gt;",
    "<!--",
    "]]>",
    "\u202egpj.exe",
    "\u2066\u2067\u2068",
    "a\u200bb\u200bc",
    "\ufeffBOM",
    "\u200e\u200f\u061c",
    "x" * 1_000_000,
    "W" * 400,
    "ﷺ" * 50,
    "Z" + "\u0301" * 300,
    "مریم رضایی",
    "株式会社" * 30,
    "👩‍👩‍👧‍👦 family",
    "' OR '1'='1",
    "; rm -rf /",
    "$(reboot)",
    "`reboot`",
    "a'b\"c",
    "\n\n\n",
    "",
    "<bdi>",
    "</bdi></td></tr></table>",
    "</article></main>",
    "<style>*{display:none}</style>",
    "<base href=//evil.example>",
    "<meta http-equiv=refresh content=0;url=//evil.example>",
    "<iframe src=//evil.example>",
    "<form action=//evil.example>",
    "<a href=//evil.example>click</a>",
    "https://evil.example/",
    "<math><mi//xlink:href='data:x,<script>window.hacked=6</script>'>",
    "\u2028\u2029",
    "\ud83d",
    "<noscript><p title='</noscript><img src=x onerror=window.hacked=7>'>",
    "<template><script>window.hacked=8</script></template>",
    "<title></title>",
    "__proto__",
    "constructor",
    "#main",
    "l-week",
)


_OURS = re.compile(
    r"(.*_)?(at|on|until)|as_of|since|timezone|template|text|run_id|lead_id|live_link|crm_link"
    r"|currency|family|factor|verdict|withheld|grid|model_version"
)
"""Fields of the view's types that hold moments, ids, and what we or the project file say."""


def make_hostile_view() -> ReportView:
    """Build a report in which every text that a CRM gives is an attack."""
    view = make_view(len(ATTACKS), owners=3)
    leads = tuple(
        _attack(lead, text, i)
        for i, (lead, text) in enumerate(zip(view.leads, ATTACKS, strict=True))
    )
    renamed = {old.lead_id: new.lead_id for old, new in zip(view.leads, leads, strict=True)}
    week = replace(
        view.week,
        calls=tuple(renamed[x] for x in view.week.calls),
        missed=tuple(replace(miss, lead_id=renamed[miss.lead_id]) for miss in view.week.missed),
    )
    assert view.movers is not None
    movers = replace(
        view.movers,
        rises=tuple(replace(x, lead_id=renamed[x.lead_id]) for x in view.movers.rises),
        falls=tuple(replace(x, lead_id=renamed[x.lead_id]) for x in view.movers.falls),
    )
    about = replace(
        view.about, title=ATTACKS[12], project_file="a'b; $(reboot).toml", run_id=ATTACKS[9]
    )
    return replace(view, leads=leads, week=week, movers=movers, about=about)


def _attack(lead: ReportLead, text: str, i: int) -> ReportLead:
    assert lead.detail is not None
    short = text[:500]
    reasons = tuple(
        replace(reason, params={**reason.params, "label": short, "value": short})
        for reason in lead.reasons
    )
    detail = replace(
        lead.detail,
        answers=(p.CardAnswer("need", text, None), p.CardAnswer("budget", text, lead.created_at)),
        icp=(p.CriterionMatch(text, True),),
        timeline=(p.TimelineEvent(lead.created_at or "2026-01-01", text, "inbound", text),),
        similar=(p.SimilarLead(text, 3, 1),),
        content=(text,),
    )
    return replace(
        lead,
        lead_id=f"{short}{i}",
        name=text,
        owner=ATTACKS[8 + i % 3],
        source=text,
        stage=text,
        account=text,
        rule=text if i % 7 == 3 else None,
        back=p.Comeback(AS_OF.isoformat(), text, AS_OF.isoformat(), text, 1),
        reasons=reasons,
        step=p.NextStep(p.Phrase(short)),
        detail=detail,
    )


def spoil(value: Any, text: str) -> Any:
    """Put an attack in place of every text of a view that comes from a CRM, a file or a person.

    The types say which those are: whatever is `str`, and is neither a word of ours (a Literal), nor
    a moment, nor an id of what a view refers to.
    """
    if isinstance(value, tuple):
        return tuple(spoil(each, text) for each in value)
    if not is_dataclass(value) or isinstance(value, type):
        return value
    told = get_type_hints(type(value))
    changed: dict[str, Any] = {}
    for each in fields(value):
        now, kind = getattr(value, each.name), told[each.name]
        if kind in (str, str | None) and isinstance(now, str) and not _OURS.fullmatch(each.name):
            changed[each.name] = text
        elif isinstance(now, Mapping) and each.name in ("params", "labels"):
            changed[each.name] = {k: text if isinstance(v, str) else v for k, v in now.items()}
        elif is_dataclass(now) or isinstance(now, tuple):
            changed[each.name] = spoil(now, text)
    return replace(value, **changed)
