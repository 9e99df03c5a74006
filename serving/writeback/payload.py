"""scores.parquet -> the payload of each lead, with the hash that tells whether it changed.

Fields only: the note that says them in words is written in serving/crm/tryton/writer.py.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from data.errors import InputError
from serving.crm.interface import DISPOSITION, FIELDS, Value

REASON_LIMIT: Final = 255
_CHUNK: Final = 50_000
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f\u2028\u2029]+")
_CONTROL_RE2: Final = r"[\x00-\x1f\x7f\x{2028}\x{2029}]"  # the same for Arrow
_NUMBERS: Final = ("probability", "percentile")
_TEXTS: Final = ("band", "trend", "model_version", "run_id")
_NEEDED: Final = ("lead_id", "as_of", "score", "band", "model_version")
_WHY_EMPTY: Final = {"score": ("withheld",), "band": ("withheld", "rule", "standing")}
"""Fields that may be empty, and the columns that say why."""
RULE: Final = "rule: {reason}"
DISQUALIFIED: Final = "disqualified here: {reason}"


@dataclass(frozen=True, slots=True)
class LeadPayload:
    """One lead's payload: `values` by our field names, `hash` over what makes it worth sending.

    `as_of` is the moment up to which the score knows the lead, in microseconds UTC. Where a score
    is held back every value is None: what the CRM has of an earlier score is cleared.
    """

    lead: str
    hash: str
    values: dict[str, Value]
    as_of: int
    episode: int = 1

    @property
    def score(self) -> int:
        """The shown score, 0 to 100."""
        return int(self.values["score"] or 0)

    @property
    def band(self) -> str:
        """The band; "" where there is none."""
        return str(self.values["band"] or "")

    @property
    def clears(self) -> bool:
        """Whether the score is held back, so that the CRM must have none."""
        return self.values["score"] is None


class ScoreSummary(NamedTuple):
    """The part of a payload that decides whether it is worth a write."""

    lead: str
    hash: str
    score: int | None
    band: str | None
    as_of: int
    episode: int = 1


@dataclass(frozen=True, slots=True)
class Chunk:
    """Rows of a score file by lead id: nearly all are only compared, few are sent."""

    summaries: list[ScoreSummary]
    _table: pa.Table

    def payloads(self, at: Sequence[int]) -> list[LeadPayload]:
        """Make the payloads of the rows at these places."""
        return _payloads(self._table.take(at), [self.summaries[i] for i in at]) if at else []


def read_scores(
    path: Path, say_rule: SayRule | None = None, *, disposition: bool = False
) -> Iterator[Chunk]:
    """Yield chunks, sorted by lead id (bytes); duplicates and gaps are refused.

    A lead that a rule or a rep takes out has the reason of that, worded by `say_rule`, in place of
    reasons. With `disposition`, what a rep did with a lead is a field of its payload.
    """
    wanted = {*_NEEDED, *_NUMBERS, *_TEXTS, "reasons", "scored_at", "rule", "withheld", "episode"}
    table = _sorted(_load(path, {*wanted, "standing", "standing_reason"}), path)
    for start in range(0, len(table), _CHUNK):
        yield _chunk(table.slice(start, _CHUNK), say_rule or in_english, disposition=disposition)


def read_leads(path: Path) -> list[str]:
    """Read the lead ids alone, after the same checks."""
    leads: list[str] = _sorted(_load(path, {*_NEEDED, "rule", "withheld", "standing"}), path)[
        "lead_id"
    ].to_pylist()
    return leads


def content_hash(
    score: Value, band: Value, reasons: Value, model_version: Value, disposition: Value = None
) -> str:
    """Hash what a user of the CRM would notice; dates and run ids change nightly and stay out.

    A disposition follows the hash as it is, so that it can be told whether it changed.
    """
    text = f"{score}\x1f{band}\x1f{reasons}\x1f{model_version}"
    digest = blake2b(text.encode(), digest_size=16).hexdigest()
    return f"{digest}{_APART}{disposition}" if disposition else digest


def disposition_in(content: str) -> str:
    """Read the disposition out of a hash; "" where there is none."""
    return content.partition(_APART)[2]


def in_english(reason: str, message: str = RULE) -> str:
    """Word the reason of a rule, "rule: student", or of a rep, "disqualified here: no budget"."""
    return message.replace("{reason}", reason)


_APART: Final = "~"
SayRule = Callable[..., str]
"""Words a reason: (reason of a rule), or (reason of a rep, DISQUALIFIED)."""
CLEARED: Final = content_hash(None, None, None, None)
"""The hash of a payload that clears a score."""


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


def _load(path: Path, wanted: set[str]) -> pa.Table:
    try:
        schema = pq.read_schema(path)
        missing = [name for name in _NEEDED if name not in schema.names]
        if missing:
            raise InputError(
                "is not there", file=path.name, column=missing[0], cure="run `leadscore score`"
            )
        return pq.read_table(path, columns=[name for name in schema.names if name in wanted])
    except FileNotFoundError:
        raise InputError("is not there", file=str(path), cure="run `leadscore score`") from None
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"cannot be read: {error}", file=path.name) from None


def _sorted(table: pa.Table, path: Path) -> pa.Table:
    for name in _NEEDED:
        gaps = pc.is_null(table[name], nan_is_null=True)
        for reason in _WHY_EMPTY.get(name, ()):
            if reason in table.column_names:
                gaps = pc.and_(gaps, pc.is_null(table[reason]))
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
        repeated = pc.equal(ids.slice(1), ids.slice(0, len(ids) - 1))
        if pc.any(repeated).as_py():
            lead = ids[pc.index(repeated, pa.scalar(value=True)).as_py()].as_py()
            raise InputError(f"the lead {lead!r} is there twice", file=path.name, column="lead_id")
    return table.combine_chunks()


def _chunk(table: pa.Table, say_rule: SayRule, *, disposition: bool) -> Chunk:
    columns = {name: _column(table, name) for name in _NEEDED}
    reasons = _with_rules(_reason_texts(table), table, say_rule)
    leads, as_of, scores, bands, versions = columns.values()
    told = [None] * len(table)
    if disposition and "standing" in table.column_names:
        told = _column(table, "standing")
    hashes = map(content_hash, scores, bands, reasons.to_pylist(), versions, told)
    summaries = [
        ScoreSummary(lead, CLEARED if score is None else each, score, band, at, episode)
        for lead, each, score, band, at, episode in zip(
            leads, hashes, scores, bands, as_of, _episodes(table), strict=True
        )
    ]
    rest = [name for name in table.column_names if name != "reasons"]
    whole = table.select(rest).append_column("reasons", reasons)
    if disposition:
        whole = whole.append_column(DISPOSITION, pa.array(told, pa.string()))
    return Chunk(summaries, whole)


def _episodes(table: pa.Table) -> list[int]:
    """Read which episode of its lead each score is of; 1 where the file does not say."""
    if "episode" not in table.column_names:
        return [1] * len(table)
    episodes: list[int] = pc.fill_null(table["episode"], 1).to_pylist()
    return episodes


def _payloads(table: pa.Table, summaries: Sequence[ScoreSummary]) -> list[LeadPayload]:
    none: list[Any] = [None] * len(table)
    names = (*FIELDS, *(n for n in (DISPOSITION,) if n in table.column_names))
    columns = {name: _column(table, name) if name in table.column_names else none for name in names}
    return [
        LeadPayload(
            each.lead,
            each.hash,
            dict.fromkeys(columns)
            if each.hash == CLEARED
            else dict(zip(columns, values, strict=True)),
            each.as_of,
            each.episode,
        )
        for each, values in zip(summaries, zip(*columns.values(), strict=True), strict=True)
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


def _reason_texts(table: pa.Table) -> pa.Array:
    """Join a lead's reasons, "+12 Asked for a demo; −3 …", the largest first: few have room."""
    if "reasons" not in table.column_names:
        return pa.array([""] * len(table))
    column = table["reasons"].combine_chunks()
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        return _cleaned(pc.fill_null(column.cast(pa.string()), ""))
    flat = column.flatten()
    points = pc.struct_field(flat, "points")
    signs = pc.if_else(pc.less(points, 0), "−", "+")
    digits = pc.abs(points).cast(pa.string())
    words = pc.struct_field(flat, "text").cast(pa.string())
    phrases = pc.binary_join_element_wise(" ", pc.fill_null(words, ""), "")
    each = pc.binary_join_element_wise(signs, digits, phrases, "", null_handling="replace")
    lengths = pc.fill_null(pc.list_value_length(column), 0).cast(pa.int32())
    row = np.repeat(np.arange(len(column)), lengths.to_numpy(zero_copy_only=False))
    size = -np.abs(pc.fill_null(points, 0).to_numpy(zero_copy_only=False))
    each = each.take(pa.array(np.lexsort((size, row))))  # stable: strengths first where equal
    ends = pc.cumulative_sum(lengths)
    offsets = pa.concat_arrays([pa.array([0], pa.int32()), ends])
    return _cleaned(pc.binary_join(pa.ListArray.from_arrays(offsets, each), "; "))


def _with_rules(reasons: pa.Array, table: pa.Table, say_rule: SayRule) -> pa.Array:
    """Put what takes a lead out, a rep's word or first of all a rule, where reasons would stand."""
    if "standing" in table.column_names:
        out = pc.fill_null(pc.equal(table["standing"].cast(pa.string()), "disqualified"), False)
        words = table["standing_reason"].cast(pa.string()).combine_chunks()
        reasons = _replaced(
            reasons, out.combine_chunks(), words, lambda told: say_rule(told, DISQUALIFIED)
        )
    if "rule" not in table.column_names or table["rule"].null_count == len(table):
        return reasons
    rules = table["rule"].combine_chunks().cast(pa.string())
    return _replaced(reasons, rules.is_valid(), rules, say_rule)


def _replaced(
    reasons: pa.Array, where: pa.Array, words: pa.Array, say: Callable[[str], str]
) -> pa.Array:
    """Put words in place of reasons in some rows."""
    said = [clean(say(each or "")) for each in words.filter(where).to_pylist()]
    return pc.replace_with_mask(reasons, where, pa.array(said, pa.string())) if said else reasons


def _cleaned(texts: pa.Array) -> pa.Array:
    """Clean what needs it: control characters, blanks at an end, more than the limit."""
    trimmed = pc.not_equal(pc.utf8_trim_whitespace(texts), texts)
    long = pc.greater(pc.utf8_length(texts), REASON_LIMIT)
    odd = pc.or_(pc.or_(trimmed, long), pc.match_substring_regex(texts, _CONTROL_RE2))
    if not pc.any(odd).as_py():
        return texts
    return pc.replace_with_mask(
        texts, odd, pa.array([clean(text) for text in texts.filter(odd).to_pylist()], pa.string())
    )
