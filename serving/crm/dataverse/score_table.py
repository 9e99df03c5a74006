"""Dynamics' own table of scores, `msdyn_predictivescore`. Contract-tested, not tested live.

Its alternate key (msdyn_entityid, msdyn_entitytype) makes an upsert idempotent without a column of
our own. It has room for a score, a grade A to D and a trend; as_of, model version and run id go
into the row's name. Fields, choices and requests are those of Microsoft's "Populate predictive
scores using custom scoring model" and the reference of UpsertMultiple. Microsoft's own model must
be off: it writes to the same rows, and once we wrote one, a row of another name counts as changed
by a person.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import httpx

from serving.crm.dataverse import SCORE_TABLE
from serving.crm.dataverse.writer import API, DataverseCrm, values_of
from serving.crm.interface import Remote, Update, Value, WriteAnswer
from serving.crm.score_columns import decode, time_of, to_iso

_GRADES: Final = ("A", "B", "C", "D")
_TRENDS: Final = ("rising", "steady", "falling", "new")  # improving, steady, declining, too little
_NAME_LIMIT: Final = 128
_COLUMNS: Final = ("msdyn_entityid", "msdyn_score", "msdyn_grade", "msdyn_scoretrend", "msdyn_name")


class PredictiveScoreCrm(DataverseCrm):
    """Scores are rows beside the leads; a batch is one transaction: all rows or none."""

    def __init__(
        self,
        url: str,
        allow: Sequence[str],
        secret: str,
        *,
        override: str | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        super().__init__(url, allow, secret, override=override, transport=transport)
        self._fields = {}  # of a lead itself only its state and the override are read

    def read_scores(self, leads: Sequence[str]) -> dict[str, Remote]:
        """Read the state of leads, and the rows with their scores where there are any."""
        leads_read = super().read_scores(leads)
        if not leads_read:
            return {}
        wanted = {lead.lower(): lead for lead in leads_read}
        listed = ",".join(f"'{lead}'" for lead in wanted)
        keys = f"Microsoft.Dynamics.CRM.In(PropertyName='msdyn_entityid',PropertyValues=[{listed}])"
        query = httpx.QueryParams(
            {
                "$select": ",".join(_COLUMNS),
                "$filter": f"msdyn_entitytype eq '{self._entity}' and {keys}",
            }
        )
        values_of_lead = dict.fromkeys(leads_read, _fields_of({}))
        for row in values_of(self.http.ask("GET", f"{API}/{SCORE_TABLE}s?{query}")):
            lead = wanted.get(str(row.get("msdyn_entityid")).lower())
            if lead is not None:
                values_of_lead[lead] = _fields_of(row)
        return {
            lead: Remote(values_of_lead[lead], each.version, each.override, each.closed)
            for lead, each in leads_read.items()
        }

    def upsert(self, batch: Sequence[Update]) -> list[WriteAnswer]:
        """Upsert by the alternate key, all or none; a band that is no grade is not sent.

        No band is no grade: the score is held back, or a rule takes the lead out.
        """
        grades_or_none = (*_GRADES, None)
        fit = [each for each in batch if each.values["band"] in grades_or_none]
        if fit:
            path = f"{API}/{SCORE_TABLE}s/Microsoft.Dynamics.CRM.UpsertMultiple"
            self.http.post(path, {"Targets": [self._target(each) for each in fit]})
        grades = ", ".join(_GRADES)
        return [
            WriteAnswer(each.lead, "written")
            if each.values["band"] in grades_or_none
            else WriteAnswer(
                each.lead, "rejected", error=f"band {each.values['band']!r}, not {grades}"
            )
            for each in batch
        ]

    def _target(self, update: Update) -> dict[str, Any]:
        values = update.values
        key = f"msdyn_entityid='{update.lead.lower()}',msdyn_entitytype='{self._entity}'"
        return {
            "@odata.type": f"Microsoft.Dynamics.CRM.{SCORE_TABLE}",
            "@odata.id": f"{SCORE_TABLE}s({key})",
            "msdyn_score": values["score"],
            "msdyn_grade": _choice(_GRADES, values["band"]),
            "msdyn_scoretrend": _choice(_TRENDS, values["trend"]),
            "msdyn_name": _name(values),
        }


def _name(values: Mapping[str, Value]) -> str:
    """Name a row by as_of, model version and run: "2026-09-21T00:00:00+00:00|7|run-1"."""
    as_of = values["as_of"]
    if as_of is None:
        return ""
    moment = to_iso(as_of) if isinstance(as_of, int) else ""
    return "|".join([moment, str(values["model_version"]), str(values["run_id"])])[:_NAME_LIMIT]


def _fields_of(row: Mapping[str, Any]) -> dict[str, Value]:
    """Read a row as our fields; without a date where the row's name is not one we wrote."""
    parts = str(row.get("msdyn_name") or "").split("|", 2)
    moment, version, run = parts if len(parts) == 3 else (None, None, None)
    return {
        "score": decode("score", row.get("msdyn_score")),
        "band": _word(_GRADES, row.get("msdyn_grade")),
        "trend": _word(_TRENDS, row.get("msdyn_scoretrend")),
        "as_of": time_of(moment),
        "model_version": version,
        "run_id": run,
    }


def _choice(words: Sequence[str], word: Value) -> int | None:
    return words.index(word) if isinstance(word, str) and word in words else None


def _word(words: Sequence[str], choice: Any) -> str | None:
    return words[choice] if isinstance(choice, int) and 0 <= choice < len(words) else None
