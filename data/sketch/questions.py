"""What the files do not say: a question, its guesses in order, and who answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Question:
    """Something to be chosen; `options` are guesses, the likeliest first, with their reasons."""

    text: str
    options: tuple[str, ...]


Ask = Callable[[Question], int]
"""Answers with the place of an option."""


@dataclass(frozen=True, slots=True)
class Answers:
    """Who answers: a person, or nobody, and then the first guess is taken and marked CHOOSE.

    `accept` takes also what would otherwise only be proposed in a comment.
    """

    ask: Ask | None = None
    accept: bool = False

    def choose(self, text: str, options: list[str]) -> int:
        """Choose among options; without a person, or a choice, the first."""
        if self.ask is None or len(options) < 2:
            return 0
        return self.ask(Question(text, tuple(options)))

    def mark(self, words: str) -> str:
        """Write CHOOSE before a comment unless a person chose."""
        return words if self.ask is not None else f"CHOOSE: {words}"
