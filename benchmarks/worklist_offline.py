"""The offline file: how large it is, and how fast it opens in Chromium.

python -m benchmarks.worklist offline [--full]
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.in_parts import Verdict
from benchmarks.report import open_times
from serving.worklist.html import render
from tests.fakes.report_view import make_view


def measure(*, full: bool) -> Iterator[Verdict]:
    """Write the file of 1,000 leads and of 10,000, and open the latter."""
    small = len(render(make_view(1_000, 10), "en").encode()) / 1e6
    yield small <= 2, "size of the file of 1,000 leads, MB", f"{small:.2f}", "<= 2"
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "report.html"
        file.write_text(render(make_view(10_000, 12), "en"), encoding="utf-8")
        typical = statistics.median(open_times(file, 9 if full else 3))
    yield typical < 2, "opening the file of 10,000 leads, s", f"{typical:.2f}", "< 2"
