"""What a viewer reads of the stored pages: his own leads, and nothing that tells of others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from serving.people.viewer import Viewer
from serving.worklist.list_query import ORDERS, ListChoice
from serving.worklist.scoped_pages import ScopedPages, scoped
from serving.worklist.scoped_rows import AnsweredSince
from serving.worklist.stored_pages import (
    folded_words,
    forget_pages,
    newest_run,
    opened_pages,
    run_file,
    write_pages,
)
from serving.worklist.view import ReportView
from serving.worklist.view_lead import ReportLead
from serving.worklist.view_parts import ShownStanding
from tests.fakes.report_view import make_view

MANAGER = Viewer("m", "manager", None, "en", "t")


def rep(*owners: str) -> Viewer:
    return Viewer("r", "rep", frozenset(owners), "en", "t")


@pytest.fixture(scope="module")
def whole() -> ReportView:
    return make_view(120, owners=3, top_per_owner=1000)


@pytest.fixture(scope="module")
def folder(whole: ReportView, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("pages")
    write_pages(place, whole, whole.leads, made_at=1, texts={"model-en": "<p>model</p>"})
    return place


@pytest.fixture
def file(folder: Path) -> Path:
    run = newest_run(folder)
    assert run is not None
    return run_file(folder, run)


def every_row(pages: ScopedPages, choice: ListChoice) -> list[str]:
    leads, total = pages.rows(choice, 0, 1000)
    assert len(leads) == total
    return [lead.lead_id for lead in leads]


@pytest.fixture
def manager(file: Path) -> Iterator[ScopedPages]:
    with opened_pages(file) as connection:
        yield scoped(connection, MANAGER)


def test_what_is_read_is_what_was_written(whole: ReportView, manager: ScopedPages) -> None:
    assert manager.about == whole.about
    assert manager.week() == whole.week
    found = manager.movers()
    assert found is not None
    assert whole.movers is not None
    assert sorted(found[0].rises, key=str) == sorted(whole.movers.rises, key=str)
    assert sorted(found[0].falls, key=str) == sorted(whole.movers.falls, key=str)
    for lead in whole.leads:
        assert manager.lead(lead.lead_id) == lead
    assert every_row(manager, ListChoice()) == [
        lead.lead_id for lead in whole.leads if not lead.rule
    ]


def test_a_list_is_read_page_by_page_without_gap_or_repetition(manager: ScopedPages) -> None:
    for order in ORDERS:
        choice = ListChoice(order=order)
        every = every_row(manager, choice)
        pages = [manager.rows(choice, start, 25)[0] for start in range(0, len(every), 25)]
        assert [lead.lead_id for page in pages for lead in page] == every
        for at, lead_id in enumerate(every):
            before = every[at - 1] if at else None
            after = every[at + 1] if at + 1 < len(every) else None
            assert manager.beside(choice, lead_id) == (before, after)


def test_the_exact_word_comes_first_and_no_word_is_found_by_its_middle(
    manager: ScopedPages, whole: ReportView
) -> None:
    wanted = next(lead for lead in whole.leads if not lead.rule)
    assert every_row(manager, ListChoice(words=wanted.lead_id))[0] == wanted.lead_id
    assert every_row(manager, ListChoice(words=wanted.lead_id.lower())) == [wanted.lead_id]
    first, second = wanted.name.split()[:2]
    named = every_row(manager, ListChoice(words=f"{second[:4]} {first}"))
    assert wanted.lead_id in named
    assert every_row(manager, ListChoice(words=first[1:])) == []
    assert every_row(manager, ListChoice(words='"%_ * OR 1=1')) == []


def test_accents_and_case_do_not_matter() -> None:
    assert folded_words("Société D'ÉTÉ") == folded_words("societe d'ete")


def without(whole: ReportView, foreign: frozenset[str]) -> list[ReportLead]:
    return [lead for lead in whole.leads if lead.lead_id not in foreign]


def test_a_rep_reads_the_same_as_in_a_world_without_foreign_leads(
    whole: ReportView, file: Path, tmp_path: Path
) -> None:
    owners = sorted({lead.owner for lead in whole.leads})
    own = owners[0]
    foreign = frozenset(lead.lead_id for lead in whole.leads if lead.owner != own)
    movers = whole.movers
    assert movers is not None
    small = replace(
        whole,
        leads=tuple(without(whole, foreign)),
        week=replace(
            whole.week,
            calls=tuple(c for c in whole.week.calls if c not in foreign),
            missed=tuple(m for m in whole.week.missed if m.lead_id not in foreign),
        ),
        movers=replace(
            movers,
            rises=tuple(m for m in movers.rises if m.lead_id not in foreign),
            falls=tuple(m for m in movers.falls if m.lead_id not in foreign),
        ),
    )
    write_pages(tmp_path, small, small.leads, made_at=1)
    with (
        opened_pages(file) as all_of_it,
        opened_pages(run_file(tmp_path, whole.about.run_id)) as part,
    ):
        mine, alone = scoped(all_of_it, rep(own)), scoped(part, rep(own))
        assert mine.week() == alone.week()
        assert mine.movers() == alone.movers()
        assert mine.choices() == alone.choices()
        for order in ORDERS:
            for choice in (
                ListChoice(order=order),
                ListChoice({"band": "A"}, "", order),
                ListChoice({"owner": owners[1]}, "", order),
                ListChoice({}, "logistics", order),
                ListChoice({}, "l-000", order),
            ):
                assert mine.rows(choice, 0, 25) == alone.rows(choice, 0, 25)
                some = every_row(mine, choice)
                assert some == every_row(alone, choice)
                if some:
                    assert mine.beside(choice, some[-1]) == alone.beside(choice, some[-1])
        for lead in whole.leads:
            assert mine.lead(lead.lead_id) == alone.lead(lead.lead_id)
            assert (mine.lead(lead.lead_id) is None) == (lead.owner != own)


def test_similar_leads_of_colleagues_are_a_number(whole: ReportView, tmp_path: Path) -> None:
    lead = whole.leads[0]
    assert lead.detail is not None
    similar = tuple(
        replace(each, owner=owner)
        for each, owner in zip(lead.detail.similar, (lead.owner, "Somebody else"), strict=True)
    )
    told = replace(lead, detail=replace(lead.detail, similar=similar))
    write_pages(tmp_path, whole, [told, *whole.leads[1:]], made_at=1)
    with opened_pages(run_file(tmp_path, whole.about.run_id)) as connection:
        seen = scoped(connection, rep(lead.owner)).lead(lead.lead_id)
        all_of_it = scoped(connection, MANAGER).lead(lead.lead_id)
    assert seen is not None
    assert seen.detail is not None
    assert (seen.detail.similar, seen.detail.similar_others) == (similar[:1], 1)
    assert all_of_it == told


def test_an_answered_lead_is_on_no_list(whole: ReportView, file: Path) -> None:
    called = whole.week.calls[0]
    standing = ShownStanding("done", "2026-11-22", None, "ann", "", 1, "2026-11-23")
    with opened_pages(file) as connection:
        pages = scoped(connection, MANAGER, lambda _: AnsweredSince(off={called: standing}))
        assert called not in pages.week().calls
        assert called not in every_row(pages, ListChoice())
        lead = pages.lead(called)
        assert lead is not None
        assert lead.standing == standing
        assert called in [each.lead_id for each in pages.drawers()]


def test_pages_of_an_earlier_day_are_not_switched_to_and_old_runs_go(
    whole: ReportView, tmp_path: Path
) -> None:
    def write(run: str, as_of: str) -> None:
        about = replace(whole.about, run_id=run, as_of=as_of)
        write_pages(tmp_path, replace(whole, about=about), whole.leads[:3], made_at=1)

    write("today", "2026-11-22T00:00:00+00:00")
    write("past", "2026-01-01T00:00:00+00:00")
    assert newest_run(tmp_path) == "today"
    for day in range(5):
        write(f"../next{day}", f"2026-11-23T0{day}:00:00+00:00")
    assert newest_run(tmp_path) == "../next4"
    assert len(list(tmp_path.iterdir())) == 4
    assert not (tmp_path.parent / "next4").exists()


def test_an_open_page_reads_on_while_a_night_writes(whole: ReportView, tmp_path: Path) -> None:
    write_pages(tmp_path, whole, whole.leads, made_at=1)
    with opened_pages(run_file(tmp_path, whole.about.run_id)) as connection:
        pages = scoped(connection, MANAGER)

        def leads() -> Iterator[ReportLead]:
            for lead in whole.leads:
                assert pages.lead(lead.lead_id) == lead  # in the middle of the night's writing
                yield replace(lead, name="new")

        write_pages(tmp_path, whole, leads(), made_at=2)
        assert pages.lead(whole.leads[0].lead_id) == whole.leads[0]
    with opened_pages(run_file(tmp_path, whole.about.run_id)) as connection:
        found = scoped(connection, MANAGER).lead(whole.leads[0].lead_id)
        assert found is not None
        assert found.name == "new"


def test_nothing_is_left_of_a_forgotten_lead(whole: ReportView, tmp_path: Path) -> None:
    gone, other = whole.leads[0], whole.leads[1]
    assert other.detail is not None
    similar = replace(other.detail.similar[0], lead_id=gone.lead_id)
    other = replace(other, detail=replace(other.detail, similar=(similar,)))
    odd = replace(gone, name="Zyxwvut Unheard")
    write_pages(tmp_path, whole, [odd, other, *whole.leads[2:]], made_at=1)
    path = run_file(tmp_path, whole.about.run_id)
    assert forget_pages(tmp_path, gone.lead_id) == 2
    assert forget_pages(tmp_path, gone.lead_id) == 0
    with opened_pages(path) as connection:
        pages = scoped(connection, MANAGER)
        assert pages.lead(gone.lead_id) is None
        assert gone.lead_id not in every_row(pages, ListChoice())
        named = pages.lead(other.lead_id)
        assert named is not None
        assert named.detail is not None
        assert named.detail.similar == ()
    raw = path.read_bytes()
    assert b"zyxwvut" not in raw.lower()
    assert gone.lead_id.encode() not in raw
