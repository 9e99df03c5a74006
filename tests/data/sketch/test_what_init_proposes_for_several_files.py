"""What init proposes where a company has a table of leads and others beside it."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from data.project import load_project
from data.reading.read_tables import read_tables
from data.schema import Project
from data.sketch.questions import Answers
from data.sketch.write import sketch_project
from tests.fakes.sketched_leads import DAYS, LATER, N, leads, propose, third


def crm_of(folder: Path, ids: list[str]) -> tuple[Project, str]:
    """Propose for leads of these ids, each of 120 known ones having a log of three calls."""
    pd.DataFrame(
        {
            "lead_id": ids,
            "created": [DAYS[int(name[1:] or 0)] for name in ids],
            "sector": "retail",
            "converted_at": [LATER[int(name[1:] or 0)] if name[-1:] == "3" else "" for name in ids],
        }
    ).to_csv(folder / "leads.csv", index=False)
    known = sorted({name for name in ids if name})
    log = [(name, DAYS[int(name[1:])] + pd.Timedelta(days=k)) for name in known for k in range(3)]
    calls = pd.DataFrame(log, columns=["lead_id", "at"]).assign(type=["call", "mail", "visit"] * N)
    calls.to_csv(folder / "activities.csv", index=False)
    files = [folder / "leads.csv", folder / "activities.csv"]
    text = sketch_project(files, folder=folder)
    (folder / "p.toml").write_text(text, encoding="utf-8")
    return load_project(folder / "p.toml"), text


IDS = [f"L{i:03d}" for i in range(N)]


@pytest.mark.parametrize(
    "ids",
    [
        pytest.param([*IDS, "L007"], id="one line is there twice"),
        pytest.param([*IDS, *IDS[:60]], id="half of the leads were joined with two contacts each"),
        pytest.param([*IDS, ""], id="one line has no id"),
    ],
)
def test_a_table_of_leads_remains_one_where_an_id_repeats_or_lacks(
    ids: list[str], tmp_path: Path
) -> None:
    project, text = crm_of(tmp_path, ids)
    assert (project.leads.source, project.leads.id) == ("leads.csv", "lead_id")
    assert project.events[0].source == "activities.csv"
    assert ("rows repeat an id" in text) == (ids.count("") == 0)
    tables, outcomes = read_tables(project)
    assert len(tables) == N
    assert (outcomes.converted_at < outcomes.observed_until).sum() == N // 10


def test_a_log_beside_the_log_that_makes_the_leads_is_named_as_not_used(tmp_path: Path) -> None:
    for stem in ("activities", "emails"):
        rows = [(name, DAYS[k] + pd.Timedelta(hours=int(name[1:]))) for name in IDS for k in (0, 4)]
        log = pd.DataFrame(rows, columns=["lead_id", "at"]).assign(type=["sent", "opened"] * N)
        log.to_csv(tmp_path / f"{stem}.csv", index=False)
    files = [tmp_path / "activities.csv", tmp_path / "emails.csv"]
    text = sketch_project([files[0]], folder=tmp_path)
    assert "is not used" not in text
    emails = pd.read_csv(files[1]).rename(columns={"at": "when"})
    emails.to_csv(files[1], index=False)
    text = sketch_project(files, folder=tmp_path)
    assert "emails.csv is not used: as no file has one row for each lead" in text


@pytest.mark.parametrize("twice", [0, 2])
def test_the_number_that_counts_the_enquiries_is_their_id_and_no_feature(
    twice: int, tmp_path: Path
) -> None:
    rows = [*range(N), *range(twice)]
    columns: dict[str, object] = {
        "enquiry": [i + 1 for i in rows],
        "client": [f"Client {i}" for i in rows],
        "created": [DAYS[i].strftime("%Y-%m-%d") for i in rows],
        "signed": [LATER[i].strftime("%Y-%m-%d") if i % 9 == 0 else "" for i in rows],
        "service": ["SEO", "branding"] * (len(rows) // 2),
        "position in list": [N - i for i in rows],
    }
    project, text = propose(tmp_path, columns, Answers(accept=True))
    assert (project.leads.id, project.leads.name) == ("enquiry", ("client",))
    assert project.leads.fixed == ("service",)
    assert "check: no column is called an id" in text
    assert len(read_tables(project)[0]) == N


def test_the_closing_date_of_a_lost_stage_ends_a_lead_that_has_a_date_of_its_own(
    tmp_path: Path,
) -> None:
    """As schools do: "Inscrit" is no known word for won, but its date and "Perdu" tell enough."""
    days = LATER.dt.strftime("%Y-%m-%d").tolist()
    columns = leads(
        Étape=["Inscrit", "Perdu", "Devis"] * (N // 3),
        **{
            "Date inscription": third(days),
            "Date clôture": [day if i % 3 < 2 else "" for i, day in enumerate(days)],
        },
    )
    project, text = propose(tmp_path, columns)
    assert project.leads.converted_at == "Date inscription"
    assert project.leads.disqualified_at == "Date clôture"
    assert "Dates of some leads only" not in text
    outcomes = read_tables(project)[1]
    lost = (outcomes.disqualified_at < outcomes.observed_until).sum()
    assert lost >= N // 3


@pytest.mark.parametrize(
    ("types", "outbound", "asked"),
    [
        (["Appel entrant", "Appel sortant", "E-mail envoyé", "E-mail reçu"], [1, 2], False),
        (["Chiamata in uscita", "E-mail inviata", "Modulo", "E-mail ricevuta"], [0, 1], False),
        (["Anruf ausgehend", "E-Mail gesendet", "Anfrage", "Anruf eingehend"], [0, 1], False),
        (["sales_call", "form sent", "email_open", "login"], [0], False),
        (["call", "email sent", "email_open", "login"], [1], True),
        (["call", "mail", "visit", "login"], [], False),
        (["Visita sito", "Chiamata in uscita", "E-mail aperta", "Modulo"], [1], False),
        (["Visita sito", "Chiamata in uscita", "E-mail aperta", "Chiamata tecnico"], [1], True),
    ],
)
def test_what_sales_does_is_told_by_the_names_of_event_types(
    types: list[str], outbound: list[int], asked: bool, tmp_path: Path
) -> None:
    pd.DataFrame(leads(converted_at=third(LATER.astype(str).tolist()))).to_csv(
        tmp_path / "leads.csv", index=False
    )
    rows = [
        (f"L{i:03d}", DAYS[i] + pd.Timedelta(days=k), types[k])
        for i in range(N)
        for k in (0, 1, 2, 3)
    ]
    log = pd.DataFrame(rows, columns=["lead_id", "at", "type"])
    log.to_csv(tmp_path / "activities.csv", index=False)
    files = [tmp_path / "leads.csv", tmp_path / "activities.csv"]
    text = sketch_project(files, folder=tmp_path)
    (tmp_path / "p.toml").write_text(text, encoding="utf-8")
    told = set(load_project(tmp_path / "p.toml").events[0].outbound)
    assert told == {types[k] for k in outbound}
    assert ("CHOOSE: what sales does; add " in text) == asked


def test_an_italian_export_is_understood(tmp_path: Path) -> None:
    numbers = [f"{i:05d}" for i in range(N)]
    days = pd.Series(DAYS)
    written = "%d/%m/%Y %H:%M:%S"
    leads = pd.DataFrame(
        {
            "Lead Ref": numbers,
            "Creato il": days.dt.strftime(written),
            "Company Ref": [f"AZ-{i % 50:03d}" for i in range(N)],
            "Origine": ["Fiera", "Google", "Passaparola"] * (N // 3),
            "Vinto il": third(LATER.dt.strftime(written).tolist()),
            "Fase": third(["Vinto"] * N, "Contattato"),
        }
    )
    companies = pd.DataFrame(
        {"Company Ref": [f"AZ-{i:03d}" for i in range(50)], "Zona": ["Nord", "Sud"] * 25}
    )
    changes = pd.DataFrame(
        {
            "Lead Ref": numbers * 2,
            "Campo": "Fase",
            "Da": ["Nuovo"] * N + ["Contattato"] * N,
            "A": ["Contattato"] * N + third(["Vinto"] * N, "Perso"),
            "Il": pd.concat([days + pd.Timedelta("1D"), LATER]).dt.strftime(written).tolist(),
        }
    )
    acts = pd.DataFrame(
        {
            "Lead": numbers * 3,
            "Quando": pd.concat([days + pd.Timedelta(d, "D") for d in (1, 2, 3)]).tolist(),
            "Registrato": pd.concat([days + pd.Timedelta(d, "D") for d in (1, 3, 3)]).tolist(),
            "Tipo": ["Visita sito"] * N + ["Chiamata in uscita"] * N + ["E-mail aperta"] * N,
        }
    )
    files = {"leads": leads, "aziende": companies, "fasi": changes, "attivita": acts}
    for name, frame in files.items():
        frame.to_csv(tmp_path / f"{name}.csv", index=False)
    text = sketch_project([tmp_path / f"{name}.csv" for name in files], folder=tmp_path)
    (tmp_path / "p.toml").write_text(text, encoding="utf-8")
    project = load_project(tmp_path / "p.toml")
    history, (log,) = project.leads.history[0], project.events
    assert (history.field, history.old, history.new, history.at) == ("Campo", "Da", "A", "Il")
    assert (log.at, log.recorded_at, log.outbound) == (
        "Quando",
        "Registrato",
        ("Chiamata in uscita",),
    )
    assert (project.leads.account, project.leads.converted_at) == ("Company Ref", "Vinto il")
    assert "Company Ref" not in project.leads.fixed
    assert "Visita sito" not in text
    assert len(read_tables(project)[0].events) == 3 * N
