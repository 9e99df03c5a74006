"""Keys, proposals and remarks -> TOML tables whose comments are aligned."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

import tomlkit
from tomlkit.items import AoT, Comment, Item, Table

_COMMENT_COLUMN: Final = 45


def remark(text: str) -> Comment:
    """Make a comment of one line."""
    return tomlkit.comment(_one_line(text))


def set_key(table: Table, name: str, value: object, comment: str = "") -> None:
    """Add a key, with a comment beside it."""
    key, item = tomlkit.key(name), tomlkit.item(value)
    table.add(key, item)
    put_beside(item, f"{key.as_string()} = {item.as_string()}", comment)


def propose_key(table: Table, name: str, value: object, comment: str = "") -> None:
    """Add a key that is commented out."""
    line = f"{name} = {tomlkit.item(value).as_string()}"
    table.add(remark(f"{line:<{_COMMENT_COLUMN - 3}} # {comment}" if comment else line))


def put_beside(item: Item, line: str, comment: str) -> None:
    """Put a comment behind the line of an item."""
    if comment:
        item.comment(_one_line(comment))
        item.trivia.comment_ws = " " * max(1, _COMMENT_COLUMN - len(line))


def list_tables(tables: Sequence[Table]) -> AoT:
    """Put tables under one [[name]]."""
    listed = tomlkit.aot()
    for table in tables:
        listed.append(table)
    return listed


def _one_line(text: str) -> str:
    """Replace line breaks and other control characters, which no TOML comment may hold."""
    return re.sub(r"[\x00-\x1f\x7f]", " ", text)
