"""Request bodies as RFC 8259 wants them: UTF-8 without a byte order mark, no NaN, no key twice."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any, NoReturn


class NotJsonError(ValueError):
    """The body is no JSON; the text says where."""


def check_json(body: bytes) -> None:
    """Raise NotJsonError, with a position where there is one, unless the body is strict JSON."""
    if not body:
        return  # the application reports a missing body
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise NotJsonError(f"the body is no UTF-8: byte {error.start}") from None
    if text.startswith("\ufeff"):
        raise NotJsonError("the body begins with a byte order mark: position 0")
    try:
        json.loads(text, object_pairs_hook=_no_duplicates, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise NotJsonError(f"the body is no JSON: {error.msg}: position {error.pos}") from None
    except NotJsonError:
        raise
    except ValueError:  # Python refuses to read integers of over 4,300 digits
        raise NotJsonError("the body has a number of too many digits") from None
    except RecursionError:
        raise NotJsonError("the body is nested too deeply") from None


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keys_and_values = dict(pairs)
    if len(keys_and_values) < len(pairs):
        counts = Counter(key for key, _ in pairs)
        twice = next(key for key, count in counts.items() if count > 1)
        raise NotJsonError(f"the body has a key twice: {twice[:100]!r}")
    return keys_and_values


def _no_constant(name: str) -> NoReturn:
    raise NotJsonError(f"the body is no JSON: {name} is no number")
