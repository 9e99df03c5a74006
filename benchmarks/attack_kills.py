"""Every command killed at a system call that writes, renames or syncs: is anything half-written?

`strace` counts the calls of a command once, and then kills it at one of them, the writes of C++
libraries included. Afterwards the doctor finds nothing wrong but what `--fix` removes, every file
that is there is whole, and the same command run again ends as it should and says what it said.
"""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow.parquet as pq

from benchmarks.attack import Verdict
from serving.upkeep.doctor import examine
from tests.fakes.november_state import November

CALLS: Final = ("write", "pwrite64", "writev", "rename", "renameat2", "fsync", "fdatasync")
LEAD: Final = "L0000187"


@dataclass(frozen=True, slots=True)
class Victim:
    """A command to kill; `ends` are the exit codes of a good end, `share` its part of all kills."""

    verb: str
    options: tuple[str, ...] = ()
    ends: tuple[int, ...] = (0,)
    share: int = 1
    short: bool = False


VICTIMS: Final = (
    Victim("feedback", (LEAD, "note", "--because", "killed"), short=True),
    Victim("backup", ("--out", "{out}/backup.tar.gz"), short=True),
    Victim("doctor", ("--fix",), ends=(0, 3)),
    Victim("write-back", short=True),
    Victim("score", ("--accept",), share=2),
    Victim("report", ("--out", "{out}", "--lang", "en"), share=2),
    Victim("night", ("--accept",), ends=(0, 3), share=2),
    Victim("forget", (LEAD,)),
    Victim("experiment assign", ("--out", "{out}/arms.csv"), ends=(0, 2)),
    Victim("export", ("--out", "{out}/model"), ends=(0, 2)),
    Victim("train", ("--fast", "--learner", "logistic"), ends=(0, 3), share=2),
)


def measure(place: Path, *, full: bool) -> list[Verdict]:
    """Kill 300 times, 30 of them `train`; or three times."""
    if shutil.which("strace") is None:
        print("strace is not installed: no kill was tried")
        return []
    draw = random.Random(3)
    victims = [each for each in VICTIMS if full or each.short]
    per_share = 20 if full else 1
    kills = harmed = 0
    for victim in victims:
        company = November.unpack(place / "whole")
        count = _count(victim, company, place)
        for _ in range(
            min(per_share * victim.share, 30)
            if victim.verb == "train"
            else per_share * victim.share
        ):
            shutil.rmtree(place / "own", ignore_errors=True)
            shutil.copytree(company.folder, place / "own")
            own = November(place / "own")
            call = draw.choice([name for name in CALLS if count.get(name)])
            number = draw.randint(1, count[call])
            ended = _run(victim, own, place, ("-e", f"inject={call}:signal=KILL:when={number}"))
            kills += 1
            for wrong in _harm(victim, own, place):
                harmed += 1
                print(f"  {victim.verb} at {call} {number} (ended {ended.returncode}): {wrong}")
        shutil.rmtree(place / "whole")
    return [(harmed == 0, f"harm by {kills} kills at writes, renames, syncs", str(harmed), "0")]


def _run(
    victim: Victim, company: November, place: Path, inject: tuple[str, ...]
) -> subprocess.CompletedProcess[str]:
    out = place / "out"
    out.mkdir(exist_ok=True)
    options = [each.format(out=out) for each in victim.options]
    verb = victim.verb.split()
    command = [
        sys.executable,
        "-W",
        "ignore",
        "-m",
        "leadscore",
        *verb,
        str(company.file),
        *options,
    ]
    if verb[0] != "experiment":
        command += ["--state", str(company.state)]
    trace = [
        "strace",
        "-f",
        "-qq",
        "-o",
        str(place / "trace"),
        "-e",
        f"trace={','.join(CALLS)}",
        *inject,
    ]
    return subprocess.run(
        [*(trace if inject else ()), *command],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"NUMBA_NUM_THREADS": "1"},
    )


def _count(victim: Victim, company: November, place: Path) -> dict[str, int]:
    """Run a command once on a copy, and count the calls of its main thread."""
    shutil.rmtree(place / "own", ignore_errors=True)
    shutil.copytree(company.folder, place / "own")
    ended = _run(victim, November(place / "own"), place, ("-e", "signal=none"))
    if ended.returncode not in victim.ends:
        print(f"  {victim.verb} ends with {ended.returncode}: {ended.stderr[-300:]}")
    lines = (place / "trace").read_text(errors="replace").splitlines()
    main = lines[0].split()[0] if lines else ""
    found = [
        match[1]
        for line in lines
        if line.startswith(main) and (match := re.match(r"\d+ +(\w+)\(", line))
    ]
    return {name: found.count(name) for name in CALLS}


def _harm(victim: Victim, company: November, place: Path) -> list[str]:
    """Find what a kill left that it should not, and whether the same command ends well now."""
    harm = [
        f"{path.name} cannot be read: {error}"
        for path in sorted([*company.state.rglob("*"), *(place / "out").rglob("*")])
        if path.is_file() and not path.name.startswith(".") and (error := _broken(path))
    ]
    again = _run(victim, company, place, ())
    if again.returncode not in victim.ends and not (
        victim.verb == "export" and "is there already" in again.stderr
    ):
        harm.append(f"run again it ends with {again.returncode}: {again.stderr[-200:]}")
    looked = examine(company.session(), at=0)
    harm += [
        f"{each.check}: {each.words}"
        for each in looked
        if each.condition == "wrong" and each.check != "disk"
    ]
    return harm


def _broken(path: Path) -> str:
    """Tell what is wrong with a file that should be whole, "" for nothing."""
    try:
        if path.suffix == ".parquet":
            pq.read_table(path)
        elif path.suffix == ".json":
            json.loads(path.read_text(encoding="utf-8"))
        elif path.suffix == ".html" and "</html>" not in path.read_text(encoding="utf-8")[-200:]:
            return "it has no end"
    except Exception as error:
        return f"{type(error).__name__} {error}"[:120]
    return ""
