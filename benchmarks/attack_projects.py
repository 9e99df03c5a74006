"""Project files that were damaged at random: each loads, or is refused in one line."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

from benchmarks.attack import Verdict
from data.errors import LeadScoreError
from data.project import load_project
from serving.qualify.engine import compile_rules
from tests.fakes.damaged_projects import damaged_projects

EXAMPLES = sorted((Path(__file__).resolve().parents[1] / "examples").glob("*.toml"))
FREEZE_S = 1.0


def measure(place: Path, *, full: bool) -> list[Verdict]:
    """Load 10,000 of them, or 1,500; rules are compiled too."""
    n = 10_000 if full else 1_000
    good = [path.read_text(encoding="utf-8") for path in EXAMPLES]
    file = place / "acme.toml"
    ends: Counter[str] = Counter()
    crashes: list[str] = []
    slowest = 0.0
    for raw in damaged_projects(good, n, seed=11):
        file.write_bytes(raw)
        started = time.thread_time()
        try:
            compile_rules(load_project(file))
            ends["taken"] += 1
        except LeadScoreError as error:
            ends[f"exit code {error.exit_code}"] += 1
            if "\n" in str(error) or not str(error):
                crashes.append(f"not one line: {str(error)[:80]!r}")
        except Exception as error:
            crashes.append(f"{type(error).__name__}: {str(error)[:80]}")
        slowest = max(slowest, time.thread_time() - started)
    print(f"project files: {dict(ends)}; slowest {slowest * 1000:.0f} ms")
    for crash, count in Counter(crashes).most_common(20):
        print(f"  crash {count} x {crash}")
    return [
        (not crashes, f"crashes in {n:,} damaged project files", str(len(crashes)), "0"),
        (slowest < FREEZE_S, "slowest project file", f"{slowest * 1000:.0f} ms", "< 1 s"),
    ]
