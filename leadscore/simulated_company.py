"""A seed -> a simulated company: its CRM as frames, its project, and the truth behind it."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from data.world import World, make_world, project_file, write_world
from leadscore.crm_project import CrmProject, whole_number
from leadscore.read_crm import read
from leadscore.shown import Showable, Shown, table_of

Company = Literal["software_trial", "digital_agency", "consulting"]


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class SimulatedCompany(Showable):
    """A company whose true probabilities are known: for notebooks and trials; made by `simulate`.

    Attributes
    ----------
    kind : str
        What it sells.
    project : dict
        Its project, as `read` takes it.
    """

    kind: Company
    project: Mapping[str, Any]
    _world: World

    @property
    def tables(self) -> Mapping[str, pd.DataFrame]:
        """The tables as the CRM exports them, by name; the truth stands in none of them."""
        return self._world.frames

    @property
    def frames(self) -> dict[str, Any]:
        """The tables as `leadscore.read` takes them, by argument."""
        leads = self.project["leads"]
        found = {
            "leads": self._of(leads),
            "events": [self._of(each) for each in self.project.get("events", ())],
            "history": [self._of(each) for each in leads.get("history", ())],
            "join": [self._of(each) for each in leads.get("join", ())],
        }
        conversion = self.project["conversion"]
        return {**found, "conversion": self._of(conversion)} if "source" in conversion else found

    def read(
        self,
        *,
        overrides: Mapping[str, object] = MappingProxyType({}),
        state: str | Path | None = None,
        threads: int | None = None,
    ) -> CrmProject:
        """Read the company's CRM.

        Parameters
        ----------
        overrides, state, threads
            As `leadscore.read` takes them.

        Returns
        -------
        CrmProject
            What every function of `leadscore` takes first.
        """
        return read(self.project, **self.frames, overrides=overrides, state=state, threads=threads)

    def write(self, folder: str | Path) -> Path:
        """Write tables and project file into a folder.

        Parameters
        ----------
        folder : path
            It is made where it is not there.

        Returns
        -------
        pathlib.Path
            The project file.
        """
        file = project_file(self.kind)
        write_world(self._world, folder, project=file)
        return Path(folder) / file.name

    def probability(self, lead_ids: ArrayLike, as_of: Any) -> NDArray[np.float64]:
        """Give the true probability of conversion within the horizon, of leads still open.

        Parameters
        ----------
        lead_ids : array of str, (n,)
            Leads of the company.
        as_of : moment or array of moments
            All that happened strictly before is given; one moment a lead, or one for all.

        Returns
        -------
        numpy.ndarray
            Probabilities, (n,).
        """
        moments = pd.DatetimeIndex(np.atleast_1d(pd.to_datetime(as_of, utc=True)))
        at = moments.as_unit("us").asi8
        ids = np.asarray(lead_ids, dtype=object)
        at = np.broadcast_to(at, ids.shape)
        return self._world.truth.probability(ids, at, at + self._world.horizon)

    def _of(self, section: Mapping[str, Any]) -> pd.DataFrame:
        return self._world.frames[Path(section["source"]).stem]

    def _shown(self) -> Shown:
        sizes = [(name, *frame.shape) for name, frame in self.tables.items()]
        table = table_of(pd.DataFrame(sizes, columns=["table", "rows", "columns"]))
        rows = f"{len(self.tables['leads']):,} leads"
        return Shown(f"Simulated company {self.kind}", rows, tables=(table,))


def simulate(
    kind: Company = "software_trial", *, leads: int = 3000, seed: int = 0
) -> SimulatedCompany:
    """Simulate a year of a company's CRM, whose true probabilities are known exactly.

    Parameters
    ----------
    kind : {"software_trial", "digital_agency", "consulting"}
        What it sells.
    leads : int
        How many are created; 2,000 or more give figures worth reading.
    seed : int
        The same seed, the same company.

    Returns
    -------
    SimulatedCompany
        Tables, project, and the truth behind them.

    Raises
    ------
    InputError
        For a kind that there is not, or fewer than one lead.
    """
    leads = whole_number(leads, "leads", least=1, cure="use 1 or more")
    world = make_world(kind, leads, seed)
    project = tomllib.loads(project_file(kind).read_text(encoding="utf-8"))
    return SimulatedCompany(kind, project, world)
