"""`python -m benchmarks.reading [--full]`: how long a pull takes beside the CRM, and what it holds.

A source that costs next to nothing gives 1 M events (100 k without --full) of 100 k leads; then a
night with 1 % new ones. Time and the greatest memory are those of the whole process.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from data.durations import MINUTE
from serving.crm.crm_rows import Page, Since, event
from serving.crm.pull.pull_rows import pull

NOW = 1_790_000_000_000_000
PAGE = 2000


class Counting:
    """Events numbered from `first` to `last`, one a minute."""

    origin = "a source that costs nothing"

    def __init__(self, first: int, last: int) -> None:
        self.first, self.last, self.gaps = first, last, dict[str, str]()

    def read(self, since: Since, *, as_of: int | None = None) -> Iterator[Page]:
        assert as_of is None
        del since
        for start in range(self.first, self.last, PAGE):
            numbers = range(start, min(start + PAGE, self.last))
            yield Page("events", tuple(self._event(number) for number in numbers))

    def _event(self, number: int) -> dict[str, str | int | float | None]:
        at = NOW - (2_000_000 - number) * MINUTE
        kind = ("call", "email", "meeting", "task")[number % 4]
        lead = f"00Q{number * 7919 % 100_000:012d}AAA"
        return event(f"task-{number:012d}", lead, kind, at, recorded=at, changed=at)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--one", nargs=3, metavar=("FOLDER", "FIRST", "LAST"))
    asked = parser.parse_args()
    if asked.one:
        folder, first, last = asked.one
        began = time.perf_counter()
        count = pull(Counting(int(first), int(last)), Path(folder), now=NOW).counts["events"]
        took = time.perf_counter() - began
        held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"{count.new:>9,} new {count.total:>10,} in all {took:8.1f} s {held:8.0f} MB")
        return
    events = 1_000_000 if asked.full else 100_000
    with tempfile.TemporaryDirectory() as folder:
        nights = (
            ("first", 0, events),
            ("1 % new", events, events + events // 100),
            ("again", events, events + events // 100),
        )
        for name, first, last in nights:
            print(f"{name:<8}", end="", flush=True)
            one = ["--one", folder, str(first), str(last)]
            subprocess.run([sys.executable, "-m", "benchmarks.reading", *one], check=True)


if __name__ == "__main__":
    main()
