"""What `leadscore doctor` finds: one line each, with a cure, and a repair where one is safe."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Condition = Literal["fine", "advice", "wrong"]
"""`advice` is nothing that harms now; `wrong` harms, or will."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. `repair` does what is safe, and says what it did."""

    check: str
    condition: Condition
    words: str
    cure: str = ""
    repair: Callable[[], str] | None = None

    def to_dict(self) -> dict[str, object]:
        """Lay it out for a machine."""
        return {
            "check": self.check,
            "condition": self.condition,
            "words": self.words,
            "cure": self.cure,
            "can_be_fixed": self.repair is not None,
        }
