"""A flag that says who converted -> yes or no; a column that is no flag is refused."""

from __future__ import annotations

import json
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from data.errors import InputError
from data.reading.read_job import ReadJob
from data.reading.sources import RawTable

_NO: Final = ("0", "false", "no", "n", "lost", "non", "nein", "خیر")
"""Words that say no; a flag of these alone has no conversion yet."""
MOST_WORDS: Final = 10
"""Different words of a flag, unless the project file says which of them mean converted."""
_SHOWN: Final = 6


def yes_words(
    raw: RawTable,
    column: str,
    words: pa.ChunkedArray,
    job: ReadJob,
    *,
    key: str = "leads.converted",
) -> pa.ChunkedArray:
    """Tell which words mean that the lead converted: booleans, null where missing.

    InputError where none does and the words are more than yes and no; what counts as a conversion
    is noted where it is not plain. `key` is where the project file names the column.
    """
    leads = job.project.leads
    plain = pc.utf8_lower(pc.utf8_trim_whitespace(words))
    yes = [value.lower() for value in leads.converted_values]
    hit = pc.is_in(plain, value_set=pa.array(yes, pa.string()))
    if job.lenient:
        return hit
    counts = sorted(
        ((str(each["values"]), int(each["counts"].as_py())) for each in _counted(words)),
        key=lambda pair: -pair[1],
    )
    odd = [word for word, _ in counts if word.strip().lower() not in (*yes, *_NO)]
    shown = ", ".join(repr(word)[:40] for word, _ in counts[:_SHOWN])
    chosen = "converted_values" in leads.model_fields_set
    if odd and (not pc.any(hit).as_py() or (len(counts) > MOST_WORDS and not chosen)):
        raise InputError(
            f"is no flag that says which leads converted; it holds {shown}"
            + (f" and {len(counts) - _SHOWN:,} more" if len(counts) > _SHOWN else ""),
            file=raw.name,
            column=column,
            cure=f"name those that do, converted_values = {json.dumps([odd[0]])}, "
            f"or name another column in {key}",
        )
    if len(counts) > 2:
        told = [f"{w!r:.40} ({n:,})" for w, n in counts if w.strip().lower() in yes]
        others = [f"{w!r:.40} ({n:,})" for w, n in counts if w.strip().lower() not in yes]
        job.notes.add(
            f"{raw.name}, column {column}: {', '.join(told)} counts as converted, "
            f"{', '.join(others[:_SHOWN])} as not converted (leads.converted_values)"
        )
    return hit


def _counted(words: pa.ChunkedArray) -> pa.StructArray:
    """Count the distinct words."""
    return pc.value_counts(words.drop_null())
