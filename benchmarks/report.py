"""How large is the report, and how fast does it open? 1,000 and 10,000 leads, in Chromium.

    python -m benchmarks.report [--full]

The clock runs from the start of navigation to the first painted frame after `load`.
"""

# ruff: noqa: E501  # lists of words and figures read best as they are
from __future__ import annotations

import re
import statistics
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import sync_playwright

from serving.worklist.html import render
from tests.fakes.report_view import make_view

ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


def main(arguments: list[str]) -> int:
    runs = 9 if "--full" in arguments else 5
    print(f"{'leads':>6} {'language':>8} {'made s':>7} {'size kB':>8}  parts, kB")
    missed = 0
    with tempfile.TemporaryDirectory() as folder:
        for leads, owners in ((1_000, 10), (10_000, 12)):
            file = Path(folder) / f"{leads}.html"
            size = 0
            for language in ("en", "fa"):
                view = make_view(leads, owners)
                start = time.process_time()
                page = render(view, language)
                made = time.process_time() - start
                size = max(size, len(page.encode()))
                parts = ", ".join(f"{name} {n / 1000:.0f}" for name, n in parts_of(page).items())
                print(
                    f"{leads:>6} {language:>8} {made:7.2f} {len(page.encode()) / 1000:8.0f}  {parts}"
                )
                if language == "en":
                    file.write_text(page, encoding="utf-8")
            seconds = open_times(file, runs)
            typical = statistics.median(seconds)
            print(
                f"{leads:>6} opens in {typical:.2f} s (median of {runs}; worst {max(seconds):.2f})"
            )
            if leads == 1_000:
                missed += bar("size of 1,000 leads, MB", size / 1e6, 2.0)
            else:
                missed += bar("opening of 10,000 leads, s", typical, 2.0)
    return 1 if missed else 0


def parts_of(page: str) -> dict[str, int]:
    """Count the bytes of each part of the file."""

    def between(pattern: str) -> int:
        return sum(len(part.encode()) for part in re.findall(pattern, page, flags=re.DOTALL))

    parts = {
        "style": between(r"<style>.*?</style>"),
        "script": between(r"<script>.*?</script>"),
        "lead pages": between(r'<script type="text/plain" id="c.*?</script>'),
        "rest of the list": between(r'<script type="text/plain" id="rest".*?</script>'),
        "sort keys": between(r'<script type="application/json".*?</script>'),
        "call list": between(r'<table class="list" id="calls">.*?</table>'),
        "top of the list": between(r'<table class="list" id="all">.*?</table>'),
    }
    return {**parts, "other": len(page.encode()) - sum(parts.values())}


def open_times(file: Path, runs: int) -> list[float]:
    """Open the file in a fresh page so many times; seconds until the first frame after load."""
    times = []
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path="/usr/bin/chromium", args=ARGS)
        for _ in range(runs + 1):
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            page.goto(file.as_uri())
            times.append(
                page.evaluate(
                    "() => new Promise(done => requestAnimationFrame(() => setTimeout(() => "
                    "done(performance.now()), 0)))"
                )
                / 1000
            )
            page.close()
        browser.close()
    return times[1:]  # the first one starts the browser's own machinery


def bar(name: str, figure: float, limit: float) -> int:
    """Print one bar; 1 where it is missed."""
    met = figure <= limit
    print(f"{'met' if met else 'missed'}  {name}  {figure:.2f}  {limit:g}")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
