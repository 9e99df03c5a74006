"""What a rep is told: every route, asked in a world with colleagues' leads and in one without.

python -m benchmarks.worklist row_scope [--full]
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.in_parts import Verdict
from tests.fakes.report_view import make_view
from tests.fakes.two_worlds import ask_both_worlds


def measure(*, full: bool) -> Iterator[Verdict]:
    """Ask every route by every method in both worlds, and compare the answers whole."""
    whole = make_view(2_000 if full else 90, owners=3, top_per_owner=10_000)
    with tempfile.TemporaryDirectory() as folder:
        asked, different = ask_both_worlds(Path(folder), whole)
    for each in different[:10]:
        print(each)
    figure = f"{len(different)} of {len(asked):,}"
    yield not different, "answers to a rep that tell of colleagues' leads", figure, "0"
