"""Bad inputs 1 to 10, tried: what stands in sheets and reports."""

from __future__ import annotations

import csv
import html.parser
import re
import zipfile
from collections.abc import Callable, Iterator
from typing import Final

from benchmarks.attack_inputs_desk import Desk

FORMULAS: Final = (
    "=cmd|'/c calc'!A1", "+SUM(1)", "-2+3", "@SUM(1)", "\t=1", "\r=1", "\x00=1", "＝1+1",
)  # fmt: skip
MARKUP: Final = (
    "<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "javascript:alert(1)",
    "</script><script>alert(1)</script>", "{{7*7}} ${7*7}", "<svg onload=alert(1)>",
    "abc\u202egnp.exe\u200b\u2066x",
)  # fmt: skip


class Page(html.parser.HTMLParser):
    """What a browser would see of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.scripts, self.bad, self.text = 0, list[str](), list[str]()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.scripts += tag == "script" and given.get("type") is None
        self.bad += [name for name in given if name.startswith("on")]
        links = [given[name] or "" for name in ("href", "src") if name in given]
        self.bad += [link for link in links if not re.match(r"#|mailto:|https?://|data:", link)]

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def hostile(desk: Desk) -> None:
    """Report once on leads whose names and places are formulas, markup and direction marks."""
    if (desk.place / "hostile").exists():
        return
    words = [*FORMULAS, *MARKUP]
    named = [f"{words[i % len(words)]} {i}" for i in range(len(desk.leads()))]
    own = desk.company.file.parent / "leads.parquet"
    kept = own.read_bytes()
    markup = [MARKUP[i % len(MARKUP)] for i in range(len(desk.leads()))]
    desk.leads().assign(company=named, person=named, country=markup).to_parquet(own)
    before = {name: (desk.company.state / name).read_bytes() for name in ("scores.parquet",)}
    try:
        desk.accepted("score", "--accept")
        desk.accepted("report", "--out", desk.place / "hostile", "--lang", "en", "--deliver")
        to_file = desk.project('crm = "sqlite"', f'crm = "files"\nurl = "{desk.place}/crm.csv"')
        desk.accepted("write-back", "--dry-run", file=to_file)
    finally:
        own.write_bytes(kept)
        for name, content in before.items():
            (desk.company.state / name).write_bytes(content)


def _sheets(desk: Desk, wanted: tuple[str, ...]) -> None:
    hostile(desk)
    sheets = [*(desk.place / "hostile").rglob("*.csv")]
    desk.must(sheets, "no sheet was written")
    texts = 0
    for sheet in sheets:
        for row in csv.DictReader(sheet.open(encoding="utf-8-sig", newline="")):
            for name, cell in row.items():
                bare = cell.lstrip("\t\r\0 \ufeff")
                risky = bare[:1] in set("=+-@＝＋－＠") and not re.fullmatch(r"-?[\d.,%]+", bare)
                desk.must(not risky, f"{sheet.name}, {name}: {cell!r}")
                texts += any(word.strip() in cell for word in wanted)
    desk.must(texts, "the hostile names stand in no sheet")
    for book in (desk.place / "hostile").rglob("*.xlsx"):
        inside = zipfile.ZipFile(book)
        sheets_ = [name for name in inside.namelist() if "worksheets/" in name]
        desk.must(not any(b"<f>" in inside.read(name) for name in sheets_), "a formula in Excel")


def _1(desk: Desk) -> None:
    _sheets(desk, FORMULAS[:1])


def _2(desk: Desk) -> None:
    _sheets(desk, FORMULAS[1:])


def _3(desk: Desk) -> None:
    leads = desk.leads()
    own = {leads["lead_id"][0]: "-17", leads["lead_id"][1]: "+18"}
    ids = leads["lead_id"].replace(own)
    table = desk.table("ids.parquet", lambda t: t.assign(lead_id=ids, expected_amount=-3.2))
    kept = set(desk.scores("--leads", table)["lead_id"])
    desk.must(kept <= set(ids), "an id is not what it was")


def _pages(desk: Desk) -> Iterator[tuple[str, Page]]:
    hostile(desk)
    for path in sorted((desk.place / "hostile").rglob("*.html")):
        page, text = Page(), path.read_text(encoding="utf-8")
        page.feed(text)
        yield text, page


def _html(desk: Desk, word: str, shown: str | None) -> None:
    """Check that markup is text: no script, handler or link from data, a policy, what is shown."""
    found = False
    for text, page in _pages(desk):
        desk.must(page.scripts <= 1, f"{page.scripts} scripts")
        desk.must(not page.bad, f"handlers or links: {page.bad[:3]}")
        desk.must("default-src 'none'" in text, "no content security policy")
        desk.must(word not in text, f"{word!r} stands in the page as it is")
        found |= shown is None or shown in "".join(page.text)
    desk.must(found, f"{shown!r} is shown nowhere")


def _10(desk: Desk) -> None:
    for text, _ in _pages(desk):
        desk.must(not re.search("[\u202e\u2066\u200b]", text), "a direction mark as it is")
        desk.must("<bdi" in text, "names are not isolated")


def _marked(word: str, shown: str | None) -> Callable[[Desk], None]:
    return lambda desk: _html(desk, word, shown)


ROWS: Final[dict[int, Callable[[Desk], None]]] = {
    **{n: globals()[f"_{n}"] for n in (1, 2, 3, 10)},
    4: _marked(MARKUP[0], MARKUP[0]),
    5: _marked(MARKUP[1], MARKUP[1]),
    6: _marked('="javascript:', MARKUP[2]),
    7: _marked(MARKUP[3], MARKUP[3]),
    8: _marked("<{{", MARKUP[4]),
    9: _marked(MARKUP[5], MARKUP[5]),
}
