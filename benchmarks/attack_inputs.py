"""The sixty bad inputs of the design through commands and service: how many get what they must."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

from benchmarks.attack import Verdict
from tests.test_sixty_bad_inputs import ELSEWHERE

ROOT = Path(__file__).resolve().parents[1]


def measure(place: Path, *, full: bool) -> list[Verdict]:
    """Run the tests of every row; the short form only counts the rows that have one."""
    files = sorted(str(path) for path in (ROOT / "tests").rglob("test_sixty_bad_inputs*.py"))
    tests = sorted({test for row in ELSEWHERE.values() for test in row})
    report = place / "report"
    options = ["-n", "0", "-rA", "--no-header"] if full else ["-n", "0", "--collect-only"]
    asked = [*files, *tests] if full else files
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", *options, *asked],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    report.write_text(ended.stdout)
    bad: Counter[int] = Counter()
    rows: set[int] = set(ELSEWHERE)
    for line in ended.stdout.splitlines():
        name = re.search(r"(tests/\S+?::\w+)", line)
        if name is None:
            continue
        own = re.search(r"test_bad_input_(\d+)", line)
        hit = (
            [int(own[1])] if own else [row for row, names in ELSEWHERE.items() if name[1] in names]
        )
        rows |= set(hit)
        if line.startswith(("FAILED", "ERROR")):
            bad.update(hit)
    good = len(rows & set(range(1, 61)) - set(bad))
    words = "bad inputs that get what they must" if full else "bad inputs that a test tries"
    return [(good == 60, words, f"{good} of 60", "60 of 60")]
