"""The feature frame: float32 numbers and category strings for each (lead, as_of), no label."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.tables import Family, Kind, Snapshots, Tables

FAMILIES: tuple[Family, ...] = ("fit", "engagement", "qualification", "context")


@dataclass(frozen=True, slots=True)
class Feature:
    """One column of the frame: what it is called, what it means, to which factor it belongs.

    `template` names the sentence that says it in words (`serving` translates it): for instance
    "count_window" with `params` {"event": "pricing_page", "days": 7}. `monotone` is +1 or -1
    only where the direction is certain.
    """

    name: str
    kind: Kind
    family: Family
    factor: str
    label: str
    template: str
    params: dict[str, str | int | float]
    unit: str = ""
    monotone: int = 0


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The columns of a frame in order, numbers first, then categories."""

    features: tuple[Feature, ...]

    @property
    def numbers(self) -> tuple[Feature, ...]:
        """The number columns in matrix order."""
        return tuple(feature for feature in self.features if feature.kind == "number")

    @property
    def categories(self) -> tuple[Feature, ...]:
        """The category columns in order."""
        return tuple(feature for feature in self.features if feature.kind == "category")

    @property
    def read_columns(self) -> tuple[str, ...]:
        """The columns of the project file that features read themselves, each once."""
        read = (
            f.params["column"]
            for f in self.features
            if f.template != "known_since" and "column" in f.params
        )
        return tuple(dict.fromkeys(str(column) for column in read))

    def lost_columns(self, tables: Tables) -> list[str]:
        """Name the columns that features read and that are not read any more."""
        needed = {str(f.params["column"]) for f in self.features if "column" in f.params}
        return sorted(needed - {attribute.name for attribute in tables.attributes})

    def to_json(self) -> str:
        """Write the columns in order; `from_json` reads the same catalogue back."""
        return json.dumps([asdict(feature) for feature in self.features], indent=1)

    @classmethod
    def from_json(cls, text: str) -> Catalogue:
        """Read what `to_json` wrote; ValueError where it is something else."""
        try:
            return cls(tuple(Feature(**entry) for entry in json.loads(text)))
        except (TypeError, json.JSONDecodeError) as error:
            raise ValueError(f"is no feature catalogue: {error}") from error

    @property
    def fingerprint(self) -> str:
        """Hash names, kinds and definitions: two frames with one fingerprint mean the same."""
        text = json.dumps([asdict(feature) for feature in self.features], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Levels:
    """The category `name` of n rows: `codes` (n,) index the raw strings `texts`, -1 if missing."""

    name: str
    codes: NDArray[np.integer]
    texts: Sequence[str]

    def take(self, rows: NDArray[np.generic]) -> Levels:
        """Pick rows by position or mask."""
        return Levels(self.name, self.codes[rows], self.texts)

    def to_pandas(self) -> pd.Categorical:
        """Make a Categorical of all texts."""
        return pd.Categorical.from_codes(
            self.codes, categories=pd.Index(list(self.texts), dtype=object)
        )

    def words(self) -> list[str | None]:
        """Write the rows out: None where missing."""
        return [None if code < 0 else self.texts[code] for code in self.codes.tolist()]


@dataclass(frozen=True, slots=True)
class FeatureFrame:
    """What the builder returns: (n, n_numbers) float32, and one set of levels per category."""

    snapshots: Snapshots
    catalogue: Catalogue
    numbers: NDArray[np.float32]
    levels: tuple[Levels, ...]

    def __len__(self) -> int:
        """Count the rows."""
        return len(self.snapshots)

    @property
    def categories(self) -> tuple[pd.Categorical, ...]:
        """The category columns in order, as pandas has them."""
        return tuple(each.to_pandas() for each in self.levels)

    def take(self, rows: NDArray[np.int64]) -> FeatureFrame:
        """Pick rows by position."""
        levels = tuple(each.take(rows) for each in self.levels)
        return FeatureFrame(self.snapshots.take(rows), self.catalogue, self.numbers[rows], levels)

    def words(self) -> dict[str, list[str | None]]:
        """Write the categories out by name: for a few rows that need no pandas."""
        return {each.name: each.words() for each in self.levels}

    def to_pandas(self) -> pd.DataFrame:
        """Name the columns: float32 numbers (one block, not copied), then categoricals."""
        names = [feature.name for feature in self.catalogue.numbers]
        frame = pd.DataFrame(self.numbers, columns=pd.Index(names), copy=False)
        for each in self.levels:
            frame[each.name] = each.to_pandas()
        return frame
