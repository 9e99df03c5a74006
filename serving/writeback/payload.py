"""scores.parquet -> what each lead gets in the CRM, with the hash that says whether it moved."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from data.errors import InputError
from serving.crm.seam import Value

REASON_LIMIT: Final = 255
_CHUNK: Final = 50_000
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f\u2028\u2029]+")
_NUMBERS: Final = ("probability", "percentile")
_TEXTS: Final = ("band", "trend", "model_version", "run_id")
_NEEDED: Final = ("lead_id", "as_of", "score", "band", "model_version")


@dataclass(frozen=True, slots=True)
class Scored:
    """One lead's payload: `values` by our field names, `hash` over what makes it worth sending."""

    lead: str
    hash: str
    values: dict[str, Value]

    @property
    def score(self) -> int:
        """The shown score, 0 to 100."""
        return int(self.values["score"] or 0)

    @property
    def as_of(self) -> int:
        """What the score knows, in microseconds UTC."""
        return int(self.values["as_of"] or 0)


def read_scores(path: Path) -> Iterator[list[Scored]]:
    """Yield chunks of payloads, sorted by lead id (bytes); duplicates and gaps are refused."""
    table = _sorted(_load(path), path)
    for start in range(0, len(table), _CHUNK):
        yield _rows(table.slice(start, _CHUNK))


def read_leads(path: Path) -> list[str]:
    """Read the lead ids alone, after the same checks."""
    leads: list[str] = _sorted(_load(path), path)["lead_id"].to_pylist()
    return leads


def content_hash(score: Value, band: Value, reasons: Value, model_version: Value) -> str:
    """Hash what a reader of the CRM would notice; dates and run ids change nightly and stay out."""
    text = f"{score}\x1f{band}\x1f{reasons}\x1f{model_version}"
    return blake2b(text.encode(), digest_size=16).hexdigest()


def clean(text: str, limit: int = REASON_LIMIT) -> str:
    """Fold control characters and cut at a word, with a mark, at `limit` characters.

    >>> clean("asked for a demo", 11)
    'asked for…'
    """
    folded = _CONTROL.sub(" ", text).strip()
    if len(folded) <= limit:
        return folded
    head = folded[: limit - 1]
    cut = head if folded[limit - 1] == " " else head.rpartition(" ")[0]
    return (cut or head).rstrip(" ;,") + "…"


def _load(path: Path) -> pa.Table:
    try:
        schema = pq.read_schema(path)
        missing = [name for name in _NEEDED if name not in schema.names]
        if missing:
            raise InputError(
                "is not there", file=path.name, column=missing[0], cure="run `leadscore score`"
            )
        wanted = {*_NEEDED, *_NUMBERS, *_TEXTS, "reasons", "scored_at"}
        return pq.read_table(path, columns=[name for name in schema.names if name in wanted])
    except FileNotFoundError:
        raise InputError("is not there", file=str(path), cure="run `leadscore score`") from None
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"cannot be read: {error}", file=path.name) from None


def _sorted(table: pa.Table, path: Path) -> pa.Table:
    for name in _NEEDED:
        gaps = pc.is_null(table[name], nan_is_null=True)
        if pc.any(gaps).as_py():
            row = pc.index(gaps, pa.scalar(value=True)).as_py() + 1
            raise InputError("is missing", file=path.name, row=row, column=name)
    low, high = pc.min_max(table["score"]).as_py().values()
    if low is not None and not (low >= 0 and high <= 100):
        raise InputError("is not within 0 to 100", file=path.name, column="score")
    table = table.set_column(
        table.schema.get_field_index("lead_id"), "lead_id", table["lead_id"].cast(pa.string())
    ).sort_by("lead_id")
    ids = table["lead_id"]
    if len(ids) > 1:
        twins = pc.equal(ids.slice(1), ids.slice(0, len(ids) - 1))
        if pc.any(twins).as_py():
            twin = ids[pc.index(twins, pa.scalar(value=True)).as_py()].as_py()
            raise InputError(f"the lead {twin!r} is there twice", file=path.name, column="lead_id")
    return table.combine_chunks()


def _rows(table: pa.Table) -> list[Scored]:
    n = len(table)
    columns = {name: _column(table, name) for name in table.column_names if name != "reasons"}
    reasons = _reason_texts(table)
    leads, scores, bands = columns["lead_id"], columns["score"], columns["band"]
    versions, as_of = columns["model_version"], columns["as_of"]
    none: list[Any] = [None] * n
    hashes = map(content_hash, scores, bands, reasons, versions)
    by_name = {
        "score": scores,
        "band": bands,
        "probability": columns.get("probability", none),
        "percentile": columns.get("percentile", none),
        "trend": columns.get("trend", none),
        "reasons": reasons,
        "model_version": versions,
        "as_of": as_of,
        "scored_at": columns.get("scored_at", none),
        "run_id": columns.get("run_id", none),
    }
    rows = zip(*by_name.values(), strict=True)
    return [
        Scored(lead, digest, dict(zip(by_name, values, strict=True)))
        for lead, digest, values in zip(leads, hashes, rows, strict=True)
    ]


def _column(table: pa.Table, name: str) -> list[Any]:
    column = table[name]
    if name in ("as_of", "scored_at"):
        column = _micros(column)
    elif name == "score":
        column = pc.round(column).cast(pa.int64())
    elif name in _NUMBERS:
        column = pc.round(column.cast(pa.float64()), 6)
    elif name != "lead_id":
        column = column.cast(pa.string())
    values: list[Any] = column.to_pylist()
    return values


def _micros(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Turn timestamps of any unit and zone, ISO text or integers into microseconds UTC."""
    if pa.types.is_integer(column.type):
        return column.cast(pa.int64())
    return column.cast(pa.timestamp("us", tz="UTC"), safe=False).cast(pa.int64())


def _reason_texts(table: pa.Table) -> list[str]:
    """Join a lead's reasons, "+12 Asked for a demo; −3 …", strongest first as they come."""
    n = len(table)
    if "reasons" not in table.column_names:
        return [""] * n
    column = table["reasons"].combine_chunks()
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        return [clean(text or "") for text in column.to_pylist()]
    lengths = pc.fill_null(pc.list_value_length(column), 0).to_pylist()
    flat = column.flatten()
    texts = pc.struct_field(flat, "text").to_pylist()
    points = pc.struct_field(flat, "points").to_pylist()
    joined, at = [], 0
    for length in lengths:
        end = at + length
        joined.append(
            clean(
                "; ".join(
                    f"{point:+d} {text}".replace("-", "−", 1) if point < 0 else f"{point:+d} {text}"
                    for point, text in zip(points[at:end], texts[at:end], strict=True)
                )
            )
        )
        at = end
    return joined
