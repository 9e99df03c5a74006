"""What each rendering of a run says of leads and of the company, read as its reader reads it.

HTML by a parser, sheets by openpyxl and csv, mails by email, what is compressed in the offline file
as its script inflates it. Numbers are kept as they are written.
"""

from __future__ import annotations

import base64
import csv
import email
import email.policy
import json
import re
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.message import EmailMessage
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote
from xml.etree.ElementTree import Element, TreeBuilder

import openpyxl

from serving.worklist.language import words_of

WORDS = words_of("en")
_EMPTY = frozenset(
    ("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "wbr")
)


class Tree(HTMLParser):
    """HTML -> a tree of elements; one that is not closed fails."""

    def __init__(self) -> None:
        super().__init__()
        self.builder = TreeBuilder()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Open an element."""
        self.builder.start(tag, {name: value or "" for name, value in attrs})
        if tag in _EMPTY:
            self.builder.end(tag)
        else:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Open an element and close it."""
        self.builder.start(tag, {name: value or "" for name, value in attrs})
        self.builder.end(tag)

    def handle_endtag(self, tag: str) -> None:
        """Close the element that is open."""
        assert self.open.pop() == tag, tag
        self.builder.end(tag)

    def handle_data(self, data: str) -> None:
        """Add text."""
        if self.open:
            self.builder.data(data)


def parse(html: str) -> Element:
    """Read HTML."""
    tree = Tree()
    tree.feed(html.strip())
    tree.close()
    return tree.builder.close()


def text(element: Element | None) -> str:
    """Give what stands in an element, blanks folded; "" for none."""
    return "" if element is None else " ".join("".join(element.itertext()).split())


def own_text(element: Element) -> str:
    """Give what stands in an element, without its asides: small print and marks."""
    parts = [element.text or ""]
    for child in element:
        aside = (
            child.tag in ("small", "a", "form", "details", "button")
            or "can" in child.get("class", "").split()
        )
        parts += ["" if aside else own_text(child), child.tail or ""]
    return " ".join("".join(parts).split())


def by_class(element: Element, *names: str) -> list[Element]:
    """Find the elements that have all these classes."""
    wanted = set(names)
    return [each for each in element.iter() if wanted <= set(each.get("class", "").split())]


def by_id(element: Element, name: str) -> Element | None:
    """Find an element by its id."""
    return next((each for each in element.iter() if each.get("id") == name), None)


def whole(written: str) -> int:
    """Read a number as pages write it: "−1,204", "+3"."""
    return int(re.sub("[,+]", "", written.replace("\u2212", "-")))


def first_number(written: str) -> str:
    """Give the first number of a sentence as it is written, "" for none."""
    found = re.search(r"[\d,]+(?:\.\d+)?", written)
    return found[0] if found else ""


Reason = tuple[str, int]
"""A sentence and its points."""


@dataclass(frozen=True)
class Said:
    """What a rendering says of a lead; None where it has no place for it, "" where it says none."""

    score: str | None = None
    band: str | None = None
    chance: str | None = None
    change: str | None = None
    step: str | None = None
    reasons: frozenset[Reason] | None = None  # some of them, or all
    points: tuple[int, ...] | None = None  # from the typical lead to the score, all of them


def points_of(written: str) -> str:
    """Write points of a sheet as pages do."""
    return "" if written in ("", "None", "0") else str(WORDS.signed(int(written)))


def of_sheet(row: Mapping[str, Any]) -> Said:
    """Read a row of a sheet."""
    given = {key: "" if value is None else str(value) for key, value in row.items()}
    chance = given["probability"]
    reasons = re.findall(r"(?:^|; )(.*?) \(([+-]\d+)\)(?=; |$)", given["reasons"])
    return Said(
        score=given["score"],
        band=given["band"],
        chance=str(WORDS.percent(float(chance))) if chance else "",
        change=points_of(given["change"]),
        step="" if given["rule"] else given["step"],
        reasons=frozenset((said, int(points)) for said, points in reasons),
    )


def rows_of_csv(path: Path) -> list[dict[str, str]]:
    """Read a CSV sheet."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def rows_of_excel(path: Path, sheet: str) -> list[dict[str, Any]]:
    """Read a sheet of a book."""
    head, *rows = openpyxl.load_workbook(path)[sheet].iter_rows(values_only=True)
    return [dict(zip(map(str, head), row, strict=True)) for row in rows]


def of_rows(rows: list[dict[str, Any]]) -> dict[str, Said]:
    """Read what sheets say, by lead."""
    return {str(row["lead_id"]): of_sheet(row) for row in rows if row["score"] is not None}


def of_list_row(row: Element) -> Said:
    """Read a row of the list, on paper or live."""
    (scored,) = by_class(row, "sc")
    (chance,) = by_class(row, "n", "p")
    (why,) = by_class(row, "reason")
    (step,) = by_class(row, "step")
    numbers = scored.find("span[@class]")
    moved = scored.find("small")
    points = [] if moved is None else by_class(moved, "pt")
    return Said(
        score=text(None if numbers is None else numbers.find("b")),
        band=text(None if numbers is None else numbers.find("i")),
        chance=(chance.text or "").strip(),
        change=text(points[0]) if points else "",
        step="" if by_class(step, "rule") or by_class(step, "none") else own_text(step),
        reasons=frozenset(reasons_in(why)),
    )


def reasons_in(element: Element) -> Iterator[Reason]:
    """Read sentences and the points behind each: `say` and `pt`, in pairs."""
    said = ""
    for each in element.iter():
        classes = each.get("class", "").split()
        if "say" in classes:
            said = own_text(each)
        elif "pt" in classes and said:
            yield said, whole(text(each))
            said = ""


def of_lead_page(page: Element) -> Said:
    """Read a lead's page, its waterfall added up line by line."""
    head = by_class(page, "chance")[0]
    score = by_class(head, "score")[0]
    moved = by_class(head, "pt")
    lines = waterfall(page)
    reasons = frozenset((said, points) for kind, said, points in lines if kind == "reason")
    steps = by_class(page, "do")
    step = text(steps[0].find("dd/strong")) if steps else ""
    told = frozenset(
        r for kind in ("for", "against") for e in by_class(page, kind) for r in reasons_in(e)
    )
    assert told <= reasons, "the ten-second zone says other points than the waterfall"
    return Said(
        score=text(score.find("b")),
        band=text(score.find("i")),
        chance=text(head.find("summary/b")),
        change=text(moved[0]) if moved else "",
        step=step,
        reasons=reasons,
        points=tuple(points for _, _, points in lines),
    )


def waterfall(page: Element) -> list[tuple[str, str, int]]:
    """List the lines of the waterfall but the score: kind, sentence, points, none counted twice.

    A family that unfolds is the sum of its lines; one without reasons is a line itself.
    """
    lines: list[tuple[str, str, int]] = []
    for row in by_class(page, "wrow"):
        if row.tag != "li" or row.get("aria-hidden"):
            continue
        kind = next((c[2:] for c in row.get("class", "").split() if c.startswith("w-")), "family")
        (label,), (points,) = by_class(row, "wl"), by_class(row, "wp")
        if kind != "score":
            lines.append((kind, own_text(label), whole(text(points))))
    for family in by_class(page, "w-family"):
        (total,) = by_class(family, "wt")
        inside = [whole(text(e)) for e in by_class(family, "wp")]
        assert sum(inside) == whole(text(total)), "a family is not the sum of its lines"
    return lines


@dataclass(frozen=True)
class OfflineFile:
    """The offline file: its pages, its rows and the whole pages of leads."""

    page: Element
    data: Mapping[str, Any]
    rows: Mapping[str, Said]
    leads: Mapping[str, Said]
    lead_ids: tuple[str, ...]

    @classmethod
    def read(cls, html: str) -> OfflineFile:
        """Inflate what the script would."""
        page = parse(html)
        chunks = {each.get("id", ""): each.text or "" for each in page.iter("script")}

        def inflated(name: str) -> str:
            return zlib.decompress(base64.b64decode(chunks[name])).decode()

        def every(letter: str) -> Iterator[Element]:
            for name in sorted(chunks, key=lambda name: (len(name), name)):
                if re.fullmatch(rf"{letter}\d+", name):
                    yield parse(f"<main>{inflated(name)}</main>")

        lead_ids = tuple(line.split(" ", 1)[0] for line in inflated("words").split("\n"))
        rows = {
            lead_ids[int(row.get("data-i", ""))]: of_list_row(row)
            for chunk in every("r")
            for row in chunk.iter("tr")
        }
        leads = {
            article.get("data-id", ""): of_lead_page(article)
            for chunk in every("c")
            for article in chunk.iter("article")
            if by_class(article, "chance")
        }
        return cls(page, json.loads(chunks["data"]), rows, leads, lead_ids)


def of_mail(path: Path) -> tuple[dict[str, Said], dict[str, Said], str]:
    """Read a mail: leads by their links, in the text and in the HTML part; the attached report."""
    message = email.message_from_bytes(path.read_bytes(), policy=email.policy.SMTP)
    assert isinstance(message, EmailMessage)
    plain, rich = message.get_body(("plain",)), message.get_body(("html",))
    (attached,) = message.iter_attachments()
    assert plain is not None
    assert rich is not None
    of_text: dict[str, Said] = {}
    blocks = re.split(r"\n(?=[ \d]{2}\d [A-Z ]  )", plain.get_content().replace("\r\n", "\n"))
    for block in blocks[1:]:
        head, *lines = block.rstrip().split("\n")
        link = lines[-1].strip()
        step = lines[-2].strip() if len(lines) > 2 else ""
        of_text[lead_of(link)] = Said(head[:3].strip(), head[4], step=step)
    of_html: dict[str, Said] = {}
    for row in parse(rich.get_content()).iter("tr"):
        first, second = row.findall("td")
        _, step_said = second.findall("b")
        link = next(row.iter("a")).get("href", "")
        band = (first.find("b").tail or "").strip()  # type: ignore[union-attr]
        of_html[lead_of(link)] = Said(text(first.find("b")), band, step=text(step_said))
    return of_text, of_html, attached.get_content()


def lead_of(link: str) -> str:
    """Read the lead of an address of ours."""
    return unquote(link.rpartition("/lead/")[2].partition("?")[0])


def figures(page: Element) -> dict[str, str]:
    """Read the figures of the head of a page: what each is, its value and its range."""
    found = {}
    for figure in by_class(page, "fig"):
        values = [text(each) for each in figure.findall("dd")]
        found[text(figure.find("dt"))] = " | ".join(values)
    return found


def table(page: Element, heading: str) -> list[list[str]]:
    """Read the table under a heading: its rows, a foot's too."""
    under = False
    for each in page.iter():
        if each.tag in ("h2", "h3"):
            under = text(each).startswith(heading)
        elif each.tag == "table" and under:
            rows = [row for part in ("tbody", "tfoot") for row in each.iterfind(f"{part}/tr")]
            return [[text(cell) for cell in row] for row in rows]
    raise AssertionError(f"no table under {heading}")


def of_today(page: Element) -> dict[str, str]:
    """Read what a page says of today: calls, what to expect, lanes, drawers."""
    today = by_id(page, "today")
    assert today is not None
    said = {"open leads": first_number(re.findall(r"[\d,]+ open lead", text(page))[0])}
    lede = text(by_class(today, "lede")[0])
    said["calls"] = first_number(re.findall(r"Call th.*?leads?\.", lede)[0])
    said["cut-off"] = first_number(lede.partition("cut-off")[2])
    said |= figures(today)
    for lane in by_class(today, "lane"):
        said[lane.get("id", "")] = text(lane.find("h2/small"))
    for drawer in ("ruled", "answered"):
        found = by_id(today, drawer)
        said[drawer] = "0" if found is None else first_number(text(found.find("summary")))
    return said


def of_changes(page: Element) -> dict[str, str]:
    """Read how many scores moved, and by which causes."""
    changes = by_id(page, "changes")
    assert changes is not None
    said = text(changes)
    counts = {
        text(each).rpartition(" ")[0]: text(each.find("small")) for each in changes.iter("h2")
    }
    numbers = re.findall(r"([\d,]+|One) scores? (?:did not move|moved)\.", said)
    moved, still = (number.replace("One", "1") for number in numbers)
    return {**counts, "moved": moved, "unchanged": still}


def of_movers(page: Element) -> dict[str, tuple[str, int]]:
    """Read who moved: name -> from and to, and the points of all its lines, which add up."""
    changes = by_id(page, "changes")
    assert changes is not None
    found = {}
    for mover in by_class(changes, "mover"):
        (who,), (scores,) = by_class(mover, "who"), by_class(mover, "fromto")
        (total,) = by_class(scores, "pt")
        lines = [whole(text(each)) for each in by_class(mover, "pt") if each is not total]
        assert sum(lines) == whole(text(total)), text(who)
        found[text(who)] = (text(scores), sum(lines))
    return found


def of_pipeline(page: Element) -> dict[str, str]:
    """Read the forecast, the stages and the sources."""
    pipeline = by_id(page, "pipeline")
    assert pipeline is not None
    (fore,) = by_class(pipeline, "fore")
    said = {}
    for days in fore.findall("li"):
        name = text(days.find("h2"))
        said[f"{name}: all"] = text(by_class(days, "bignum")[0].find("b"))
        for part in by_class(days, "facts")[0].findall("div"):
            value = part.find("dd")
            assert value is not None
            said[f"{name}: {text(part.find('dt'))}"] = (value.text or "").strip()
    (funnel,) = by_class(pipeline, "funnel")
    for stage in funnel.findall("li"):
        label, count = by_class(stage, "fl")[0], by_class(stage, "fn")[0]
        said[f"stage {own_text(label).lower()}"] = text(count.find("b"))
    for source, leads, _, opportunities, *_ in table(pipeline, "By source"):
        said[f"source {source.lower()}"] = f"{leads} leads, {opportunities} opportunities"
    for owner, *cells in table(pipeline, "From the open leads of each owner"):
        said[f"forecast of {owner}"] = " | ".join(cells)
    return said
