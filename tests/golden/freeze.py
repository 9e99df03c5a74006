"""Frozen behaviour of whole companies: run the product, collect its figures, compare.

    python -m tests.golden.freeze --check demo bpi2012 olist x_education   # names what differs
    python -m tests.golden.freeze demo bpi2012 olist x_education           # writes goldens again

Two files per company in goldens/: `<company>.json` holds scores, points, findings, figures and
model files; `<company>_texts.json` what is said in words: reasons, messages, report. A string with
a space in it counts as words. So a commit about texts changes the second file alone. The demo is
simulated and shown; a real set (folder LEADSCORE_DATA) leaves hashes and figures, never a row.
Left out is what no two runs share: run ids, clocks, paths, versions of tools, and predictor.py.
Written by Python 3.11; a model trained by another Python's numpy may differ in the last bit.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import math
import os
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from tests.golden.product import leadscore, views_kept

GOLDENS = Path(__file__).with_name("goldens")
EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
DEMO = "demo"
REAL = ("bpi2012", "olist", "x_education")
DEMO_LEADS = 700  # nearly the fewest of which the demo makes a champion
PYTHON = (3, 11)
SHOWN_ROWS = 5

VOLATILE = {"run_id", "scored_at", "project_file", "path"}
PER_LEAD = {"leads", "calls", "missed", "rises", "falls"}
"""Lists of the report with a row per lead: of a real set only their length is shown."""
PRODUCT_CODE = {"predictor.py"}
MASKED_LINES = re.compile(
    r"^(\s*)(artifact_path|uri|model_code_path|model_id|model_uuid|model_size_bytes|run_id|"
    r"utc_time_created|python_version|mlflow_version|cloudpickle_version): .*$",
    re.MULTILINE,
)


@dataclass(slots=True)
class Frozen:
    """What is known of one company; `texts` holds what is said in words."""

    facts: dict[str, Any] = field(default_factory=dict)
    texts: dict[str, Any] = field(default_factory=dict)

    def add(self, name: str, tree: Any, *, shown: bool) -> None:
        """Take a tree of plain values: words apart from figures, or only the hash of them."""
        words: list[str] = []
        self.facts[name] = without_words(tree, words)
        self.texts[name] = words if shown else {"said": len(words), "hash": digest(words)}


def freeze(company: str, folder: Path, *, threads: int | None = None) -> Frozen:
    """Walk the whole road of a company in `folder` and collect what must stay."""
    shown, frozen = company == DEMO, Frozen()
    threads_given = () if threads is None else ("--threads", threads)
    state = folder / "state"
    codes: dict[str, int] = {}

    def run(verb: str, *arguments: object) -> str:
        answer = leadscore(verb, *arguments, *threads_given)
        codes[verb] = answer.code
        said = masked(answer.out + (answer.err if answer.code else ""), folder)
        frozen.texts[verb] = said.splitlines() if shown else digest(said)
        return answer.out

    frozen.facts["exit codes"] = codes
    if company == DEMO:
        run("demo", "--out", folder, "--leads", DEMO_LEADS, "--seed", 0, "--lang", "en")
        project = next((folder / "data").glob("*.toml"))
    else:
        project = with_an_end(EXAMPLES / f"{company}.toml", folder)
        run("train", project, "--state", state)
    frozen.add("check", json.loads(run("check", project, "--json")), shown=shown)
    if not (state / "audits").is_dir():
        return frozen
    add_training(frozen, state, shown=shown)
    add_model(frozen, state)
    run("score", project, "--state", state, "--out", folder / "scores.parquet")
    add_scores(frozen, folder / "scores.parquet", shown=shown)
    with views_kept() as views:
        run("report", project, "--state", state, "--lang", "en", "--out", folder / "report")
    add_report(frozen, views[-1], shown=shown)
    for page in sorted((folder / "report").glob("*.html")):
        add_page(frozen, page, folder, shown=shown)
    return frozen


def with_an_end(project: Path, folder: Path) -> Path:
    """Give a project without any clock an end of observation: it is scored as of now else."""
    text = project.read_text(encoding="utf-8")
    if "created_at" in text:
        return project
    fixed = folder / project.name
    end = '[project]\nobserved_until = "2026-11-01"\n'
    fixed.write_text(text.replace("[project]\n", end, 1), encoding="utf-8")
    return fixed


def add_training(frozen: Frozen, state: Path, *, shown: bool) -> None:
    """Take the pages of the training run: candidates, figures beside baselines, the leak audit."""
    pages = next((state / "mlartifacts").glob("*/artifacts/candidates.json")).parent
    for page in sorted(pages.rglob("*.json")):
        frozen.add(f"run/{page.relative_to(pages)}", json.loads(page.read_text()), shown=shown)
    for page in sorted(pages.rglob("*.csv")):
        with page.open(newline="") as lines:
            frozen.add(f"run/{page.relative_to(pages)}", list(csv.DictReader(lines)), shown=shown)


def add_model(frozen: Frozen, state: Path) -> None:
    """Take the files of the model: of JSON its figures here and its bytes among the texts."""
    packed = next((state / "mlartifacts" / "models").glob("*/artifacts"))
    files, raw = {}, {}
    for path in sorted((packed / "artifacts").glob("*/*")):
        if path.name in PRODUCT_CODE:
            continue
        content = path.read_bytes()
        if path.name == "manifest.json":
            manifest = json.loads(content)
            manifest["version"] = "masked"
            manifest["files"].update(dict.fromkeys(PRODUCT_CODE, "masked"))
            manifest.pop("loader", None)  # a hash of product code as well
            raw[path.name] = manifest
        elif path.suffix == ".json":
            files[path.name] = digest(without_words(json.loads(content), []))
            raw[path.name] = hashlib.sha256(content).hexdigest()
        else:
            files[path.name] = hashlib.sha256(content).hexdigest()
    frozen.facts["model files"], frozen.texts["model files"] = files, raw
    frozen.facts["MLmodel"] = MASKED_LINES.sub(
        r"\1\2: masked", (packed / "MLmodel").read_text()
    ).splitlines()


def add_scores(frozen: Frozen, path: Path, *, shown: bool) -> None:
    """Take scores.parquet column by column; a reason is five columns of lists."""
    table = pq.read_table(path)
    rows = table.to_pylist()
    said: dict[str, Any] = {}
    columns: dict[str, Any] = {"rows": len(rows), "schema": str(table.schema).splitlines()}
    for name in table.column_names:
        if name in VOLATILE:
            continue
        values = [row[name] for row in rows]
        if name != "reasons":
            columns[name] = column_facts(values)
            continue
        for part in table.schema.field(name).type.value_type.names if rows else ():
            place = said if part in ("text", "fact") else columns
            place[f"reasons.{part}"] = digest([[each[part] for each in row] for row in values])
            if shown and place is said:
                spoken = {each[part] for row in values for each in row} - {None}
                said[f"reasons.{part}, distinct"] = sorted(spoken)
    frozen.facts["scores"], frozen.texts["scores"] = columns, said
    if shown:
        first = [{k: v for k, v in row.items() if k not in VOLATILE} for row in rows]
        frozen.add("first scores", plain(first[:SHOWN_ROWS]), shown=True)


def column_facts(values: list[Any]) -> dict[str, Any]:
    """Sum a column up: its hash, and range and mean of numbers or how often each code stands."""
    there = [value for value in values if value is not None]
    facts: dict[str, Any] = {"hash": digest(values), "missing": len(values) - len(there)}
    if there and all(isinstance(value, int | float) for value in there):
        facts |= {"low": min(there), "high": max(there), "mean": math.fsum(there) / len(there)}
    elif len(counts := Counter(map(str, there))) <= 16 and len(there) > 2 * len(counts):
        facts["counts"] = dict(sorted(counts.items()))
    return facts


def add_report(frozen: Frozen, view: Mapping[str, Any], *, shown: bool) -> None:
    """Take the report as data, a hash for each page, for leads a hash for each of their fields."""
    pages: dict[str, Any] = {}
    said: dict[str, Any] = {}
    for name, page in view.items():
        words: list[str] = []
        kept = without_words(page, words)
        said[name] = digest(words)
        if name == "leads":
            pages[name] = {"leads": len(kept), **lead_fields(kept)}
            if shown:
                pages[name]["first"] = kept[:2]
        else:
            pages[name] = {"hash": digest(kept), "figures": kept if shown else figures(kept)}
    frozen.facts["report"], frozen.texts["report words"] = pages, said


def lead_fields(leads: list[dict[str, Any]]) -> dict[str, str]:
    """Hash each field over all leads, those of the detail page too."""
    flat = [
        {
            **{k: v for k, v in lead.items() if k != "detail"},
            **{f"detail.{k}": v for k, v in (lead["detail"] or {}).items()},
        }
        for lead in leads
    ]
    names = sorted({name for lead in flat for name in lead})
    return {name: digest([lead.get(name) for lead in flat]) for name in names}


def add_page(frozen: Frozen, page: Path, folder: Path, *, shown: bool) -> None:
    """Take an HTML page: its bytes, and which words stand on it, numbers as #."""
    html = masked(page.read_text(), folder)
    words = words_of(html)
    known: dict[str, Any] = {"hash": digest(html), "words": len(words), "words hash": digest(words)}
    if shown:
        known["words shown"] = words
    frozen.texts[page.name] = known


class TextOfPage(HTMLParser):
    """Collect the text between tags, without scripts and styles."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: set[str] = set()
        self.code = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002
        self.code = tag in ("script", "style")

    def handle_endtag(self, tag: str) -> None:  # noqa: ARG002
        self.code = False

    def handle_data(self, data: str) -> None:
        if not self.code and (text := " ".join(re.sub(r"\d[\d.,]*", "#", data).split())):
            self.texts.add(text)


def words_of(html: str) -> list[str]:
    """List the distinct texts of a page."""
    parser = TextOfPage()
    parser.feed(html)
    return sorted(parser.texts)


def masked(text: str, folder: Path) -> str:
    """Replace what no two runs share: folders, run ids, moments of today."""
    text = text.replace(str(folder), "FOLDER").replace(str(EXAMPLES), "EXAMPLES")
    if data := os.environ.get("LEADSCORE_DATA"):
        text = text.replace(data, "DATA")
    text = re.sub(r"… .* elapsed.*\n?", "", text)  # progress is as quick as the machine
    return re.sub(r"\b\d{8}T\d{6}Z-[0-9a-f]{8}\b", "RUN", text)


def plain(value: Any) -> Any:
    """Turn into what JSON knows; what is no finite number becomes text."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def without_words(value: Any, words: list[str]) -> Any:
    """Copy a tree without volatile keys; strings with a space move to `words`, in order."""
    if isinstance(value, Mapping):
        kept = {str(k): v for k, v in value.items() if k not in VOLATILE}
        return {key: without_words(item, words) for key, item in kept.items()}
    if isinstance(value, list | tuple):
        return [without_words(item, words) for item in value]
    if isinstance(value, str) and " " in value:
        words.append(value)
        return "words"
    return plain(value)


def figures(value: Any) -> Any:
    """Keep the numbers of a page and no text; of lists with a row per lead their length."""
    if isinstance(value, dict):
        return {
            key: len(item) if key in PER_LEAD and isinstance(item, list) else figures(item)
            for key, item in value.items()
            if not isinstance(item, str)
        }
    if isinstance(value, list):
        return [figures(item) for item in value if not isinstance(item, str)]
    return value


def digest(value: Any) -> str:
    """Hash plain values; floats to the last bit."""
    text = json.dumps(plain(value), sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def write(company: str, frozen: Frozen) -> None:
    """Write both goldens of a company."""
    GOLDENS.mkdir(exist_ok=True)
    for path, tree in _files(company, frozen):
        text = json.dumps(plain(tree), indent=1, sort_keys=True, ensure_ascii=False)
        path.write_text(text + "\n", encoding="utf-8")


def differences(company: str, frozen: Frozen) -> list[str]:
    """Name each item that is not as it was frozen, with both values."""
    found = []
    for path, tree in _files(company, frozen):
        before = dict(_items(json.loads(path.read_text(encoding="utf-8"))))
        after = dict(_items(json.loads(json.dumps(plain(tree)))))
        found += [
            f"{path.stem}: {name}: {_short(before.get(name))} -> {_short(after.get(name))}"
            for name in sorted(before.keys() | after.keys())
            if before.get(name, "absent") != after.get(name, "absent")
        ]
    return found


def _files(company: str, frozen: Frozen) -> tuple[tuple[Path, Any], ...]:
    texts = GOLDENS / f"{company}_texts.json"
    return (GOLDENS / f"{company}.json", frozen.facts), (texts, frozen.texts)


def _items(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Flatten a tree: (path, value); a list of texts is one value, for it has no stable places."""
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from _items(item, f"{name}/{key}" if name else key)
    elif isinstance(value, list) and any(isinstance(item, dict | list) for item in value):
        for place, item in enumerate(value):
            yield from _items(item, f"{name}[{place}]")
    else:
        yield name, value


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) < 120 else f"{text[:117]}..."


def main() -> int:
    """Freeze or check the companies named; the exit code is 1 where something differs."""
    parser = argparse.ArgumentParser(prog="python -m tests.golden.freeze")
    parser.add_argument("companies", nargs="+", choices=(DEMO, *REAL))
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    parser.add_argument("--threads", type=int, help="default: all cores")
    given = parser.parse_args()
    if sys.version_info[:2] != PYTHON:
        parser.error("goldens are made by Python 3.11")
    differ = False
    for company in given.companies:
        began = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            frozen = freeze(company, Path(folder), threads=given.threads)
        found = differences(company, frozen) if given.check else []
        if not given.check:
            write(company, frozen)
        differ |= bool(found)
        outcome = f"{len(found)} differ" if given.check else "written"
        lines = [f"{company}: {outcome}, {time.monotonic() - began:.0f} s", *found]
        sys.stdout.write("\n  ".join(lines) + "\n")
        sys.stdout.flush()
    return int(differ)


if __name__ == "__main__":
    sys.exit(main())
