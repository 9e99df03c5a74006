"""Untrusted text -> text that can be shown: cut, cleaned, its direction marks made visible."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from markupsafe import Markup, escape

LONGEST: Final = 160
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
# Marks that reorder or hide the text around them. The joiners (U+200C, U+200D) stay: Persian
# and emoji need them, and they reorder nothing.
_MARKS: Final = re.compile(r"[\u200b\u200e\u200f\u061c\u2060\u202a-\u202e\u2066-\u2069\ufeff]")


@lru_cache(maxsize=65_536)
def shown(value: str, longest: int = LONGEST) -> str:
    """Cut at `longest` characters, fold control characters, name direction marks.

    >>> shown("Acme\\u202egpj.exe")
    'Acme‹U+202E›gpj.exe'
    """
    cut = value if len(value) <= longest else value[: longest - 1] + "…"
    folded = " ".join(_CONTROL.sub(" ", cut).split())
    return _MARKS.sub(lambda mark: f"‹U+{ord(mark[0]):04X}›", folded)


def isolated(value: object) -> Markup:
    """Escape an untrusted value and isolate its text direction: `<bdi>…</bdi>`."""
    if isinstance(value, Markup):
        return value
    return Markup(f"<bdi>{escape(shown(str(value)))}</bdi>")  # a tenth of the time of .format


def in_attribute(value: object) -> str:
    """Isolate a value inside an attribute, where no element can: U+2068 … U+2069."""
    return f"\u2068{shown(str(value))}\u2069"


def slug(value: str, position: int) -> str:
    """Name an anchor after an id where the id is plain, after its position where it is not.

    >>> slug("L-001", 4), slug("<b>", 4)
    ('l-L-001', 'l--4')
    """
    plain = re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", value)
    return f"l-{value}" if plain else f"l--{position}"


def for_script(json_text: str) -> Markup:
    """Make JSON safe inside a script element: no `<`, `>` or `&` is left to end or open a tag."""
    safe = json_text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")
    return Markup(safe.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029"))


__all__ = ["LONGEST", "escape", "for_script", "in_attribute", "isolated", "shown", "slug"]
