"""What an attacker, a kill or a bad disk does, and what comes of it: `python -m benchmarks.attack`.

Parts: requests and project files that were damaged at random, in process; hostile bodies, timed;
the sixty bad inputs by their result; addresses in every column; kills at system calls that write,
rename or sync, of every command; backups while jobs run, restored elsewhere. `--full` takes an
hour or more, the short form a minute or two. The company is that of tests/fixtures, so that nothing
need be trained first.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import tempfile
import time
from pathlib import Path

Verdict = tuple[bool, str, str, str]
PARTS = ("bodies", "requests", "projects", "inputs", "canaries", "kills", "backups")


def main() -> int:
    """Attack part by part, and print every bar at the end."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", nargs="*", metavar="PART", help=f"of: {', '.join(PARTS)}")
    parser.add_argument("--full", action="store_true", help="the full size")
    asked = parser.parse_args()
    if unknown := set(asked.part) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    verdicts: list[Verdict] = []
    for part in asked.part or PARTS:
        started = time.monotonic()
        with tempfile.TemporaryDirectory() as place:
            measure = importlib.import_module(f"benchmarks.attack_{part}").measure
            verdicts += measure(Path(place), full=asked.full)
        print(f"({part}: {time.monotonic() - started:.0f} s)", flush=True)
    print()
    for met, name, figure, bar in verdicts:
        print(f"{'met' if met else 'missed'}  {name}  {figure}  {bar}")
    return 0 if all(verdict[0] for verdict in verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
