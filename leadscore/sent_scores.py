"""A run of scores that was kept -> the CRM: what was sent, and what became of every lead."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from data.errors import InputError
from leadscore.crm_project import CrmProject, When, need_crm
from leadscore.shown import Showable, Shown
from serving.cli.clock import new_run_id
from serving.writeback.write_back import WriteBackResult
from serving.writeback.write_back import write_back as send

KEEP: Final = "model.score(crm, keep=True) or report(crm), then write_back(crm)"


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class SentScores(Showable):
    """What a write-back did, or in a dry run would do; made by `write_back`."""

    _result: WriteBackResult

    @property
    def dry_run(self) -> bool:
        """Whether nothing was written."""
        return self._result.dry_run

    @property
    def counts(self) -> dict[str, int]:
        """All `leads`, and how many were sent, unchanged, rejected, kept_overrides, …

        In a dry run `would_be_sent` stands in place of `sent`.
        """
        found = asdict(self._result)
        counts = {name: n for name, n in found.items() if type(n) is int and name != "requests"}
        return {
            "would_be_sent" if self.dry_run and k == "sent" else k: n for k, n in counts.items()
        }

    @property
    def complete(self) -> bool:
        """Whether nothing was rejected and nothing waits in the outbox."""
        return not (self._result.rejected or self._result.waiting)

    def _shown(self) -> Shown:
        facts = tuple((name.replace("_", " "), f"{n:,}") for name, n in self.counts.items())
        return Shown(f"Write-back to {self._result.crm}", self._result.summary, facts=facts)


def write_back(
    crm: CrmProject,
    *,
    scores: str | Path | None = None,
    dry_run: bool = False,
    now: When | None = None,
) -> SentScores:
    """Send to the CRM what changed, once in effect; a second run sends nothing.

    A project without ``write_back`` has an embedded CRM: ``crm.sqlite`` in the state folder.

    Parameters
    ----------
    crm : CrmProject
        What `read` gave.
    scores : path, optional
        A scores.parquet; default: the newest run that was kept (``score(keep=True)``, `report`).
    dry_run : bool, default False
        Go the whole way, write nothing.
    now : str, date or datetime, optional
        The moment of the run; default: the clock.

    Returns
    -------
    SentScores
        Its `counts` say what became of each lead.

    Raises
    ------
    InputError
        Where there is no state folder, or no run was kept.
    OutsideError
        Where the CRM fails; what was not sent waits for the next run.
    """
    state, at = need_crm(crm)._require_state(), crm._now(now)
    if scores is not None and not isinstance(scores, str | Path):
        raise InputError(
            "a table in memory has no run that could be resumed", argument="scores", cure=KEEP
        )
    file = state.scores if scores is None else Path(scores)
    if not file.is_file():
        cause = "no run was kept yet" if scores is None else f"{file} is not there"
        raise InputError(cause, argument="scores", cure=KEEP)
    result = send(
        file,
        crm._session.project,
        state.folder,
        now=at,
        run_id=new_run_id(at),
        dry_run=dry_run,
    )
    return SentScores(result)
