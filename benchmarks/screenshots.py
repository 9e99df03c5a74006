"""Take the README's pictures of real reports: `python -m benchmarks.screenshots REPORT_DIR OUT_DIR`.

REPORT_DIR holds report-en.html and report-fa.html, as `leadscore report` and `demo` write them.
"""

# ruff: noqa: E501  # lists of words and figures read best as they are
from __future__ import annotations

import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

from benchmarks.report import ARGS

SHOTS = (  # name, language, page, width, height, scheme
    ("week", "en", "today", 1280, 860, "light"),
    ("lead", "en", "first lead", 1280, 1180, "light"),
    ("lead-dark", "en", "first lead", 1280, 1180, "dark"),
    ("trust", "en", "proof", 1280, 1220, "light"),
    ("forecast", "en", "pipeline", 1280, 860, "light"),
    ("lead-persian", "fa", "first lead", 1280, 1180, "light"),
    ("phone", "en", "today", 390, 844, "light"),
)
LARGEST = 250_000


def main(arguments: list[str]) -> int:
    if len(arguments) != 2:
        print("python -m benchmarks.screenshots REPORT_DIR OUT_DIR", file=sys.stderr)
        return 2
    reports, out = Path(arguments[0]).resolve(), Path(arguments[1])
    out.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path="/usr/bin/chromium", args=ARGS)
        for name, language, anchor, width, height, scheme in SHOTS:
            file = reports / f"report-{language}.html"
            page = browser.new_page(
                viewport={"width": width, "height": height},
                color_scheme=scheme,  # type: ignore[arg-type]
            )
            page.goto(file.as_uri())
            if anchor == "first lead":
                page.locator("#all tbody a.to").first.click()
                page.wait_for_selector("#slot article")
            else:
                page.evaluate("at => { location.hash = at }", anchor)
            page.wait_for_timeout(400)
            page.evaluate("scrollTo(0, 0)")
            target = out / f"{name}.png"
            page.screenshot(path=str(target))
            page.close()
            shrink(target)
            print(f"{target}  {target.stat().st_size / 1000:.0f} kB")
        browser.close()
    return 0


def shrink(path: Path) -> None:
    """Reduce a picture to a palette, which flat colours survive; fewer until it is small."""
    image = Image.open(path).convert("RGB")
    for colours in (256, 128, 64, 32):
        image.quantize(colours, dither=Image.Dither.NONE).save(path, optimize=True)
        if path.stat().st_size <= LARGEST:
            return


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
