"""A sentence before translation: an English msgid and the values of its placeholders."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

Scalar = str | int | float


@dataclass(frozen=True, slots=True)
class Phrase:
    """A sentence to be translated: an English msgid with {placeholders}, and their values.

    A value may be a phrase itself: it is translated before it is put in. `many` is the plural form,
    chosen by the value `n`.
    """

    text: str
    params: Mapping[str, Scalar | Phrase | None] = field(default_factory=dict)
    many: str = ""

    def __str__(self) -> str:
        """Fill the placeholders of the English sentence."""
        text = self.many if self.many and self.params.get("n") != 1 else self.text
        return text.format(**self.params)
