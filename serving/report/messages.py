"""The report's sources -> every message that a catalogue must hold, for the check and the .pot.

Messages stand in three places: templates and Python files (as literals given to `t`, `tn`, `attr`,
`message` or `Phrase`), the sentences of features.templates and models.templates, and the vocabulary
below.
"""

from __future__ import annotations

import string
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_python
from babel.messages.pofile import read_po
from jinja2.ext import babel_extract

from models.templates import MESSAGES
from serving.report.vocabulary import WORDS
from serving.report.words import FOLDER, read_catalogue

ROOT: Final = Path(__file__).parent.parent
KEYWORDS: Final = ("t", "attr", "message", "Phrase", "tn")
_UTF8: Final = {"encoding": "utf-8"}


def collect() -> Catalog:
    """Collect every message: singular and plural, vocabulary under the context "word"."""
    catalogue = Catalog(charset="utf-8", project="leadscore")
    for message in sorted(set(_found()), key=str):
        catalogue.add(message)
    for word in WORDS:
        catalogue.add(word, context="word")
    return catalogue


def problems(language: str) -> list[str]:
    """List what is wrong with a catalogue: missing, unused, empty, broken placeholders."""
    wanted, have = collect(), read_catalogue(language)
    found = []
    for message in wanted:
        if not message.id:
            continue
        theirs = have.get(message.id, context=message.context)
        if theirs is None or not theirs.string or not all(_forms(theirs.string)):
            found.append(f"{language}: not translated: {_forms(message.id)[0]!r}")
            continue
        if theirs.fuzzy:
            found.append(f"{language}: fuzzy: {_forms(message.id)[0]!r}")
        asked = {frozenset(_places(form)) for form in _forms(message.id)}
        given = {frozenset(_places(form)) for form in _forms(theirs.string)}
        if not given <= asked and given != {frozenset().union(*asked)}:
            found.append(f"{language}: placeholders differ: {_forms(message.id)[0]!r}")
    found += [
        f"{language}: unused: {_forms(message.id)[0]!r}"
        for message in have
        if message.id and wanted.get(message.id, context=message.context) is None
    ]
    return found


def template_file() -> Catalog:
    """Read the committed .pot, which `collect` must equal."""
    with (FOLDER / "leadscore.pot").open("rb") as file:
        return read_po(file)


def _found() -> Iterator[str | tuple[str, str]]:
    for path in sorted((ROOT / "report" / "templates").glob("*.html")):
        with path.open("rb") as file:
            for _, name, message, _ in babel_extract(file, list(KEYWORDS), [], _UTF8):
                yield from _message(name, message)
    for path in sorted([*(ROOT / "report").glob("*.py"), *(ROOT / "views").glob("*.py")]):
        with path.open("rb") as file:
            for _, called, found, _ in extract_python(file, dict.fromkeys(KEYWORDS), [], {}):
                yield from _message(str(called), found)
    yield from MESSAGES


def _message(name: str | None, found: object) -> Iterator[str | tuple[str, str]]:
    """Keep literals that are sentences or words; calls without a literal say nothing."""
    if isinstance(found, str):
        yield found
    elif isinstance(found, (tuple, list)):
        texts = [text for text in found if isinstance(text, str)]
        if name == "tn" and len(texts) >= 2:
            yield texts[0], texts[1]
        elif texts:
            yield texts[0]


def _forms(text: str | tuple[str, ...] | list[str]) -> tuple[str, ...]:
    return (text,) if isinstance(text, str) else tuple(text)


def _places(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}
