"""The report's sources -> every message that a catalogue must hold, for the check and the .pot.

Messages stand in three places: templates and Python files (as literals given to `t`, `tn`, `attr`,
`message`, `Phrase` or, where models are made, `Note`), the sentences of features.templates and
models.explain.fixed_sentences, and the vocabulary beside this file.
"""

from __future__ import annotations

import string
from collections.abc import Iterator, Mapping
from typing import Final

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_python
from babel.messages.pofile import read_po
from jinja2.ext import babel_extract

from features.acts import ACTS
from features.template_row import Msgid
from features.templates import TEMPLATES
from models.explain import fixed_sentences as fixed
from serving.worklist.word_catalogues import FOLDER, read_catalogue
from tests.serving.worklist.vocabulary import WORDS

ROOT: Final = FOLDER.parent
KEYWORDS: Final = ("t", "attr", "message", "Phrase", "tn", "Note")
NOTES: Final = (ROOT.parents[1] / "training", ROOT.parents[1] / "models" / "fit")
_UTF8: Final = {"encoding": "utf-8"}


def collect() -> Catalog:
    """Collect every message: singular and plural, vocabulary under the context "word"."""
    catalogue = Catalog(charset="utf-8", project="leadscore")
    for message in sorted(set(_sentences_in_code()), key=str):
        catalogue.add(message)
    for word in WORDS:
        catalogue.add(word, context="word")
    return catalogue


def problems(language: str) -> list[str]:
    """List what is wrong with a catalogue: missing, unused, empty, broken placeholders."""
    wanted, catalogue = collect(), read_catalogue(language)
    problems = []
    for message in wanted:
        if not message.id:
            continue
        translated = catalogue.get(message.id, context=message.context)
        if translated is None or not translated.string or not all(_forms(translated.string)):
            problems.append(f"{language}: not translated: {_forms(message.id)[0]!r}")
            continue
        if translated.fuzzy:
            problems.append(f"{language}: fuzzy: {_forms(message.id)[0]!r}")
        asked = {frozenset(_places(form)) for form in _forms(message.id)}
        given = {frozenset(_places(form)) for form in _forms(translated.string)}
        if not given <= asked and given != {frozenset().union(*asked)}:
            problems.append(f"{language}: placeholders differ: {_forms(message.id)[0]!r}")
        if not _places(_forms(message.id)[-1]) <= _places(_forms(translated.string)[-1]):
            problems.append(f"{language}: many are said as one: {_forms(message.id)[-1]!r}")
    problems += [
        f"{language}: unused: {_forms(message.id)[0]!r}"
        for message in catalogue
        if message.id and wanted.get(message.id, context=message.context) is None
    ]
    return problems


def template_file() -> Catalog:
    """Read the committed .pot, which `collect` must equal."""
    with (FOLDER / "leadscore.pot").open("rb") as file:
        return read_po(file)


def _sentences_in_code() -> Iterator[str | tuple[str, str]]:
    for path in sorted((ROOT / "templates").glob("*.html")):
        with path.open("rb") as file:
            for _, name, message, _ in babel_extract(file, list(KEYWORDS), [], _UTF8):
                yield from _message(name, message)
    of_notes = [path for folder in NOTES for path in folder.glob("*.py")]
    of_notes.append(ROOT.parent / "experiment_arms.py")
    for path in sorted([*ROOT.glob("*.py"), *ROOT.glob("pages/*.py"), *of_notes]):
        with path.open("rb") as file:
            for _, called, found, _ in extract_python(file, dict.fromkeys(KEYWORDS), [], {}):
                yield from _message(str(called), found)
    yield from sentences()
    for name, value in vars(fixed).items():
        if not name.isupper():
            continue
        if isinstance(value, str | tuple):
            yield value if isinstance(value, str) else (value[0], value[1])
        elif isinstance(value, Mapping):
            yield from value.values()


def sentences() -> Iterator[Msgid]:
    """List every sentence of a feature, variants included."""
    for row in TEMPLATES.values():
        yield from filter(None, (row.sentence, row.zero, row.missing, *row.levels))
    for act in ACTS.values():
        yield from (act.did, act.did_not, act.never)


def _message(name: str | None, extracted: object) -> Iterator[str | tuple[str, str]]:
    """Keep literals that are sentences or words; calls without a literal say nothing."""
    if isinstance(extracted, str):
        yield extracted
    elif isinstance(extracted, (tuple, list)):
        texts = [text for text in extracted if isinstance(text, str)]
        if name == "tn" and len(texts) >= 2:
            yield texts[0], texts[1]
        elif texts:
            yield texts[0]


def _forms(text: str | tuple[str, ...] | list[str]) -> tuple[str, ...]:
    return (text,) if isinstance(text, str) else tuple(text)


def _places(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}
