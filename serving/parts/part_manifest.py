"""What a part says of itself beside its rows, and whether several parts make one run.

A part is a Parquet file with a JSON manifest beside it, which is written last: without one there
is no part.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import TypeAdapter

from data.buckets import Part
from data.clock import iso
from data.errors import OutsideError
from data.feeds import Feed
from data.files import write_text
from data.tables import Kind
from training.watch.night_profile import SCORE_EDGES

WORDS: Final = (
    ("version", "leadscore"),
    ("project", "the project file"),
    ("model", "the model"),
    ("model_version", "the version of the model"),
    ("sources", "the source data"),
    ("as_of", "the moment as of which leads are scored"),
    ("held_back", "whether the experiment holds scores back"),
    ("as_of_given", "whether --as-of was given"),
    ("own_sources", "whether the project's own sources were read"),
)
"""What all parts of a run share, and how a person calls it."""


@dataclass(frozen=True, slots=True)
class PartManifest:
    """One part of a run: what was scored, by what, and the small things that the run needs of it.

    `sha256` is of the Parquet file, "" where the part has no open lead and so no file. `bands`,
    `spread`, `top_band`, `held` and `older` count open leads as the guard and the answer of the
    command do. `facts` are the names that rules may use here, `absent` the event types that rules
    count and that no lead of this part has. `cpu` are the features of the processor: among equal
    ones scores are equal in every bit. `whole` says why the company was not read in slices.
    """

    number: int
    of: int
    rows: int
    sha256: str
    version: str
    project: str
    model: str
    model_version: str
    sources: str
    as_of: int
    as_of_given: bool
    own_sources: bool
    scored_at: int
    held_back: bool
    static: bool
    cpu: tuple[str, ...]
    bands: Mapping[str, int]
    spread: tuple[int, ...]
    top_band: int
    held: int
    older: int
    watched: Mapping[str, Kind]
    facts: tuple[str, ...]
    absent: tuple[str, ...]
    feeds: tuple[Mapping[str, Any], ...]
    whole: str

    @property
    def part(self) -> Part:
        """Which part it is."""
        return Part(self.number, self.of)

    def to_json(self) -> str:
        """Write what `from_json` reads."""
        part = self.part
        buckets = {"first_bucket": part.first, "past_bucket": part.past}
        return json.dumps(asdict(self) | buckets, ensure_ascii=False, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str) -> PartManifest:
        """Read a manifest; ValueError and others where it is something else."""
        made = TypeAdapter(cls).validate_json(text, strict=True)
        made.part, made.read_feeds(), iso(made.as_of), iso(made.scored_at)  # each refuses nonsense
        counts = (made.rows, made.top_band, made.held, made.older, *made.bands.values())
        if len(made.spread) != len(SCORE_EDGES) + 1 or min(*counts, *made.spread) < 0:
            raise ValueError("counts")
        return made

    def read_feeds(self) -> tuple[Feed, ...]:
        """Count the rows of each source by the hour."""
        return tuple(Feed.from_dict(feed) for feed in self.feeds)


def stem_of(part: Part) -> str:
    """Name the files of a part: part-003-of-016."""
    return f"part-{part.number:03d}-of-{part.of:03d}"


def rows_of(folder: Path, manifest: PartManifest) -> Path:
    """Name the Parquet file of a part."""
    return folder / f"{stem_of(manifest.part)}.parquet"


def write_manifest(folder: Path, manifest: PartManifest) -> Path:
    """Write a manifest, whole or not at all, when the rows are there."""
    return write_text(folder / f"{stem_of(manifest.part)}.json", manifest.to_json())


def read_parts(folder: Path) -> list[PartManifest]:
    """Read the parts of a folder in their order, each once, every file as it was written.

    OutsideError names what is missing, there twice, damaged, or of another run.
    """
    found = [(path, _read(path)) for path in sorted(folder.glob("part-*.json"))]
    if not found:
        raise OutsideError(
            f"{folder} holds no part", cure="leadscore score PROJECT --part i/n --out DIR writes it"
        )
    manifests = [manifest for _, manifest in found]
    of = manifests[0].of
    if any(each.of != of for each in manifests):
        counts = ", ".join(str(n) for n in sorted({each.of for each in manifests}))
        raise OutsideError(f"{folder} holds parts of several cuts: of {counts}; remove one cut")
    numbers = [each.number for each in manifests]
    twice = sorted({n for n in numbers if numbers.count(n) > 1})
    if twice:
        raise OutsideError(f"part {twice[0]}/{of} is there twice", cure="remove one of them")
    missing = sorted(set(range(1, of + 1)) - set(numbers))
    if missing:
        words = ", ".join(f"{n}/{of}" for n in missing[:5])
        more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
        raise OutsideError(
            f"part {words}{more} is missing",
            cure=f"leadscore score PROJECT --part {missing[0]}/{of}",
        )
    manifests.sort(key=lambda each: each.number)
    refuse_other_runs(manifests)
    for manifest in manifests:
        _refuse_damage(folder, manifest)
    return manifests


def _read(path: Path) -> PartManifest:
    try:
        manifest = PartManifest.from_json(path.read_text(encoding="utf-8"))
    except Exception:  # whatever stands in the file
        raise OutsideError(
            f"{path} is no manifest of a part", cure="score that part again"
        ) from None
    return manifest


def refuse_other_runs(manifests: Sequence[PartManifest]) -> None:
    """Refuse parts of which one was scored otherwise than the first."""
    first = manifests[0]
    for manifest in manifests[1:]:
        for name, words in WORDS:
            ours, theirs = getattr(first, name), getattr(manifest, name)
            if ours == theirs or (name == "as_of" and first.static):
                continue
            if name == "as_of":
                ours, theirs = iso(ours), iso(theirs)
            raise OutsideError(
                f"part {manifest.number}/{manifest.of} and part {first.number}/{first.of} differ "
                f"in {words}: {theirs} and {ours}",
                cure="score again the parts that are old",
            )


def refuse_other_model(
    manifest: PartManifest, *, version: str, project: str, model: str, model_version: str
) -> None:
    """Refuse a part of another leadscore, project file or model than those that gather it."""
    ours = {
        "version": version,
        "project": project,
        "model": model,
        "model_version": model_version,
    }
    for name, words in WORDS[: len(ours)]:
        if getattr(manifest, name) != ours[name]:
            raise OutsideError(
                f"part {manifest.number}/{manifest.of} differs in {words} from this run: "
                f"{getattr(manifest, name)} and {ours[name]}",
                cure="score the parts again, with what is used here",
            )


def _refuse_damage(folder: Path, manifest: PartManifest) -> None:
    path = rows_of(folder, manifest)
    if not manifest.rows and not manifest.sha256:
        return
    try:
        found = sha256_of(path)
    except OSError:
        found = "missing"
    if found != manifest.sha256:
        raise OutsideError(
            f"{path} is missing"
            if found == "missing"
            else f"{path} is damaged: it is not what its manifest says",
            cure=f"score part {manifest.number}/{manifest.of} again",
        )


def sha256_of(path: Path) -> str:
    """Hash a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fingerprint_of(feeds: Iterable[Feed], observed_until: int) -> str:
    """Name the source data by how many rows each source has, hour by hour, and where they end."""
    text = json.dumps([observed_until, [feed.to_dict() for feed in feeds]])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def read_whole(manifests: Sequence[PartManifest]) -> Iterator[str]:
    """Say why the company was read whole although a part was asked for, where it was."""
    for reason in sorted({each.whole for each in manifests} - {""}):
        yield f"the company was read whole, which takes more memory than in slices: {reason}"


def processors(manifests: Sequence[PartManifest]) -> Iterator[str]:
    """Say that parts were scored on different processors, where they were."""
    if len({each.cpu for each in manifests}) > 1:
        yield (
            "parts were scored on processors of different kinds: probabilities may differ in the "
            "last bits from those of one machine; scores, bands and reasons do not"
        )
