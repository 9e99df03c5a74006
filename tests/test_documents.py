"""Every command and snippet of README and documentation runs, page by page, in its order.

A page begins in an empty folder, or, with `<!-- continues: tutorials/own-csv.md -->`, where another
page ended. Blocks of `sh` and `python` are run. A `console` shows a session: on a page that
continues another one the lines after `$` are run, where 3, the answer of a gate, is no error; on
other pages, which have no files, verbs and options are looked up. A block of `toml` is read as a
project file, or as part of one; `<!-- saved as: acme.toml -->` and `<!-- added to: acme.toml -->`
before it write it.
What can't be run here says why: `<!-- not run: needs an account -->`; its verbs and options are
looked up all the same. `<!-- not run: as in PAGE -->` stands before lines that PAGE runs.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from data.project import check_project
from tests.fakes.leak_returns import RETURNS
from tests.fakes.leak_structure import STRUCTURE
from tests.fakes.leak_truth import TRUTH
from tests.reference.commands import commands
from training.state_format import FORMAT

pytestmark = pytest.mark.checkout

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
PAGES = ["../README.md", *sorted(p.relative_to(DOCS).as_posix() for p in DOCS.rglob("*.md"))]
QUICK = {
    "../README.md",
    "reference/project-file.md",
    "reference/python.md",
    "tutorials/own-csv.md",
}
"""Pages that `make test` runs; the others that run commands wait for `make test-all`."""

BLOCK = re.compile(
    r"^(?P<notes>(?:<!-- [^\n]* -->\n)*)```(?P<language>[\w{}-]*)[^\n]*\n(?P<code>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
NOTE = re.compile(r"<!-- (not run|saved as|added to): (.+?) -->")
RUN = ("sh", "console", "python")
CONTINUES = re.compile(r"<!-- continues: (\S+) -->")
PART: Mapping[str, Any] = {
    "project": {"name": "acme"},
    "leads": {"source": "leads.csv", "id": "lead_id", "created_at": "created_at"},
    "conversion": {"event": "opportunity_created", "horizon": "90d"},
}
"""The rest of a project file around a part of one."""


@dataclass(frozen=True)
class Block:
    """A fenced block with what the comment before it says of it."""

    language: str
    code: str
    notes: Mapping[str, str]


def text_of(page: str) -> str:
    return (DOCS / page).read_text(encoding="utf-8")


def blocks(page: str) -> list[Block]:
    text, found = text_of(page), []
    for m in BLOCK.finditer(text):
        notes = dict(NOTE.findall(m["notes"]))
        if m["language"] == "console" and not CONTINUES.search(text):
            notes["not run"] = "the page has no files"
        found.append(Block(m["language"], m["code"], notes))
    return found


def runs(page: str) -> bool:
    return any(b.language in RUN and "not run" not in b.notes for b in blocks(page))


class Reader:
    """Somebody who does what the pages say; folders of pages that others continue are kept."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ended: dict[str, Path] = {}

    def follow(self, page: str) -> Path:
        """Do what a page says; gives the folder in which it ends."""
        if page not in self.ended:
            here = self.folder / re.sub(r"\W+", "-", page)
            before = CONTINUES.search(text_of(page))
            if before:
                shutil.copytree(self.follow(before[1]), here)
            else:
                here.mkdir()
            names: dict[str, Any] = {}
            for block in blocks(page):
                do(block, here, names)
            self.ended[page] = here
        return self.ended[page]


def do(block: Block, here: Path, names: dict[str, Any]) -> None:
    """Write a block to the file that it names, or run it in a folder."""
    if file := block.notes.get("saved as") or block.notes.get("added to"):
        with (here / file).open("a" if "added to" in block.notes else "w", encoding="utf-8") as f:
            f.write("\n" + block.code)
    if "not run" in block.notes:
        return
    if block.language in ("sh", "console"):
        path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script_of(block)],
            cwd=here,
            env={**os.environ, "PATH": path},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{block.code}\n{done.stdout}\n{done.stderr}"
    if block.language == "python":
        before = Path.cwd()
        os.chdir(here)
        try:
            exec(compile(block.code, "<documentation>", "exec"), names)
        finally:
            os.chdir(before)


def script_of(block: Block) -> str:
    """Give what a shell runs of a block."""
    if block.language == "sh":
        return block.code
    typed = re.findall(r"^\$ (.*(?:\\\n.*)*)", block.code, re.MULTILINE)
    return "\n".join(f"( {line.partition('  #')[0]} ) || test $? -eq 3" for line in typed)


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Reader:
    return Reader(tmp_path_factory.mktemp("documents"))


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(page, marks=() if page in QUICK else pytest.mark.slow)
        for page in PAGES
        if runs(page)
    ],
)
def test_what_a_page_says_can_be_done(page: str, reader: Reader) -> None:
    reader.follow(page)


@pytest.mark.slow
def test_every_file_of_the_state_folder_is_documented(reader: Reader) -> None:
    ended = reader.follow("tutorials/crm-with-events.md")
    text = text_of("reference/state-folder.md")
    found = sorted(path.name for path in (ended / ".leadscore" / "acme").iterdir())
    assert len(found) > 5
    assert [name for name in found if f"`{name}" not in text] == []


@pytest.mark.parametrize("page", PAGES)
def test_a_page_has_only_blocks_of_a_language_and_reasons_for_what_is_not_run(page: str) -> None:
    fences = re.findall(r"^```(.*)$", text_of(page), re.MULTILINE)
    assert len(fences) == 2 * len(blocks(page)), "a fence is indented, nested, or not closed"
    for block in blocks(page):
        assert block.language, f"a block without a language: {block.code[:60]}"


@pytest.mark.parametrize("page", PAGES)
def test_each_toml_block_is_a_project_file_or_part_of_one(page: str) -> None:
    for block in blocks(page):
        if block.language != "toml":
            continue
        given = tomllib.loads(block.code)
        if not given.keys() >= {"project", "leads", "conversion"}:
            given = around(given)
        check_project(given)


def lines_of(block: Block) -> list[str]:
    """Give the command lines of a block, without their comments."""
    return [" ".join(shlex.split(line, comments=True)) for line in block.code.splitlines()]


def test_a_block_that_another_page_runs_has_the_lines_of_that_page() -> None:
    for page in PAGES:
        for block in blocks(page):
            other = re.fullmatch(r"as in (\S+)", block.notes.get("not run", ""))
            if other:
                run = [
                    line
                    for b in blocks(other[1])
                    if "not run" not in b.notes
                    for line in lines_of(b)
                ]
                assert [line for line in lines_of(block) if line not in run] == []


def around(part: Mapping[str, Any]) -> dict[str, Any]:
    """Complete a part of a project file."""
    whole: dict[str, Any] = {**PART, **part}
    for name, section in PART.items():
        whole[name] = {**section, **part.get(name, {})}
    if "converted_at" in whole["leads"] or "source" in whole["conversion"]:
        del whole["conversion"]["event"]
    return whole


def spoken_commands(page: str) -> Iterator[list[str]]:
    """Yield the command lines of a page: in blocks, and in the text between backticks."""
    lines = [
        line
        for block in blocks(page)
        if block.language in ("sh", "console", "text")
        for line in block.code.replace("\\\n", " ").splitlines()
    ]
    for line in lines:
        for part in re.split(r"&&|\|\||;|\$\(", line.partition("  #")[0]):
            if found := re.search(r"(?:^|\s)leadscore ([a-z].+)", part):
                yield shlex.split(found[1].replace("…", "X").rstrip(")"))
    prose = BLOCK.sub("", text_of(page))
    for spoken in re.findall(r"`leadscore ([a-z][^`]*)`", prose):
        yield spoken.split()


@pytest.mark.parametrize("page", PAGES)
def test_each_command_of_a_page_is_a_verb_with_options_that_it_has(page: str) -> None:
    known = commands()
    for words in spoken_commands(page):
        verb = next((v for v in (" ".join(words[:2]), words[0]) if v in known), None)
        if verb is None:
            assert any(v.startswith(f"{words[0]} ") for v in known), f"leadscore {words[0]}"
            continue
        options = {option for each in known[verb].params for option in each.opts}
        given = [word.partition("=")[0] for word in words if word.startswith("--")]
        assert [each for each in given if each not in {*options, "--help"}] == [], words


def test_each_figure_names_a_verb_and_the_command_that_shows_it() -> None:
    rows = [line.split(" | ") for line in text_of("benchmarks.md").splitlines() if "| `" in line]
    assert len(rows) > 25
    for row in rows:
        verbs, shows = re.findall(r"`([\w -]+)`", row[0]), row[-1].strip(" |`")
        assert verbs, row
        assert set(verbs) <= set(commands()), row
        name = (
            shows.removeprefix("make bench-")
            .removeprefix("python -m benchmarks.")
            .partition(" --")[0]
            .replace(" ", "_")
        )
        assert shows.startswith("leadscore ") or (ROOT / "benchmarks" / f"{name}.py").is_file(), row


def test_the_figures_count_every_planted_leak() -> None:
    text = text_of("benchmarks.md")
    planted = [*STRUCTURE, *RETURNS, *TRUTH, "the same columns, not declared"]
    assert f"structural ({len(planted)})" in text
    matrix = text.partition("planted structure")[2].partition("true AUC")[0]
    assert [line[:44].strip() for line in matrix.splitlines()[1:] if line.strip()] == planted


def test_the_state_folders_format_is_the_one_that_is_written() -> None:
    text = (ROOT / "docs" / "reference" / "state-folder.md").read_text("utf-8")
    assert f"the format of the folder, {FORMAT};" in text
