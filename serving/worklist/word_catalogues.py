"""The catalogues of words: one .po file to a language, compiled in memory.

Messages are English sentences with {placeholders}. English needs no catalogue; every other
language is one file, serving/worklist/locale/<language>.po, begun as a copy of leadscore.pot.
"""

from __future__ import annotations

import gettext
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from babel.messages.catalog import Catalog


FOLDER: Final = Path(__file__).parent / "locale"


def languages() -> tuple[str, ...]:
    """Name the languages that a report can be written in: English and one per catalogue."""
    return ("en", *sorted(path.stem for path in FOLDER.glob("*.po")))


def read_catalogue(language: str) -> Catalog:
    """Read serving/worklist/locale/<language>.po."""
    from babel.messages.pofile import read_po

    with (FOLDER / f"{language}.po").open("rb") as file:
        return read_po(file, locale=language)


def translations_of(language: str) -> gettext.NullTranslations:
    """Compile the catalogue of a language: some 40 ms, once per process."""
    if language == "en":
        return gettext.NullTranslations()
    from babel.messages.mofile import write_mo

    compiled = BytesIO()
    write_mo(compiled, read_catalogue(language))
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)
