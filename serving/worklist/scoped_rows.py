"""The stored rows of a run, as far as one viewer may see them: how every page reads them."""
# conditions are written here, of our own names; every value is bound

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from serving.worklist.list_query import ListChoice, list_query
from serving.worklist.stored_pages import unpacked
from serving.worklist.view import About
from serving.worklist.view_parts import Feedback, ShownStanding

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class AnsweredSince:
    """What was answered since the run: leads off the list now, and back on it; all that was said.

    What was `said` is newest first.
    """

    off: Mapping[str, ShownStanding] = field(default_factory=dict)
    back: Collection[str] = ()
    said: Mapping[str, tuple[Feedback, ...]] = field(default_factory=dict)


class ScopedRows:
    """The rows of one run that one viewer may see, with what answers changed since."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        owners: frozenset[str] | None,
        answered: AnsweredSince,
    ) -> None:
        self.connection, self.owners, self.answered = connection, owners, answered
        self.about = self._company(About)
        self._given: dict[str, object] = {
            "owners": json.dumps(sorted(owners or ())),
            "off": self._places(answered.off),
            "back": self._places(answered.back),
        }

    @property
    def whole(self) -> bool:
        """Tell whether all leads may be seen."""
        return self.owners is None

    def _chosen(self, choice: ListChoice) -> tuple[str, str, dict[str, object]]:
        return list_query(choice, ["rule is null", self._seen, self._open], whole=self.whole)

    @property
    def _seen(self) -> str:
        return "1" if self.whole else "owner in (select value from json_each(:owners))"

    @property
    def _open(self) -> str:
        return (
            "((not answered or place in (select value from json_each(:back)))"
            " and place not in (select value from json_each(:off)))"
        )

    def _places(self, lead_ids: Collection[str]) -> str:
        """Give the places of leads as JSON: what is asked of each row is asked of a number."""
        rows = self.connection.execute(
            "select place from leads where lead_id in (select value from json_each(?))"
            " order by place",
            (json.dumps(sorted(lead_ids)),),
        )
        return json.dumps([row[0] for row in rows])

    def _company(self, page: type[T]) -> T:
        found = self._company_or_none(page)
        if found is None:
            raise LookupError(f"the run has no page {page.__name__}")
        return found

    def _company_or_none(self, page: type[T]) -> T | None:
        found = self.connection.execute(
            "select json from company where page = ?", (page.__name__,)
        ).fetchone()
        return None if found is None else unpacked(found[0], page)

    def _all(self, sql: str, given: Mapping[str, object] | None = None) -> list[Any]:
        named = {**self._given, **(given or {})}
        return self.connection.execute(sql, named).fetchall()
