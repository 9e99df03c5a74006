"""What a user got wrong, through the real command: one line, and a cure that works when pasted."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data.errors import InputError
from data.project import load_project
from data.reading.read_tables import read_with_notes
from serving.cli import app
from serving.demo import make_company
from serving.session import open_session

N = 199
HEAD = '[project]\nname = "p"\n'
DATED = (
    '[leads]\nsource = "leads.csv"\nid = "id"\ncreated_at = "created"\nconverted_at = "won"\n'
    'fixed = ["size"]\n[conversion]\nhorizon = "30d"\n'
)
STATIC = '[leads]\nsource = "leads.csv"\nid = "id"\nconverted = "won"\n[conversion]\n'


def leads() -> pd.DataFrame:
    created = pd.date_range("2024-01-01", periods=N).strftime("%Y-%m-%d")
    won = pd.Series(created).where(np.arange(N) % 3 == 0, "")
    ids = [f"L{i:03d}" for i in range(N)]
    return pd.DataFrame({"id": ids, "created": created, "won": won, "size": np.arange(N) * 1.5})


def flags() -> pd.DataFrame:
    return leads().assign(won=np.where(np.arange(N) % 3 == 0, "yes", "no"))


def write(folder: Path, frame: pd.DataFrame, project: str, **tables: pd.DataFrame) -> Path:
    for name, table in {"leads": frame, **tables}.items():
        table.to_csv(folder / f"{name}.csv", index=False)
    file = folder / "p.toml"
    file.write_text(HEAD + project, encoding="utf-8")
    return file


@pytest.fixture
def refusal(tmp_path, monkeypatch, capsys):
    """Run a command; it must end with 2, one line, and nothing written."""

    def refused(*words: str) -> str:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["leadscore", *words])
        with pytest.raises(SystemExit) as ended:
            app.main()
        lines = capsys.readouterr().err.splitlines()
        assert ended.value.code == 2, lines
        assert [line for line in lines if not line.startswith("…")] == lines[-1:]
        assert not (tmp_path / ".leadscore").exists()
        return lines[-1]

    def checked(frame: pd.DataFrame, project: str, **tables: pd.DataFrame) -> str:
        return refused("check", write(tmp_path, frame, project, **tables).name)

    checked.command = refused
    return checked


def pasted(file: Path, message: str) -> None:
    """Paste the `where` of a message into [leads] and read again."""
    line = re.search(r'where = ".*"$', message)
    assert line is not None, message
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("[leads]\n", f"[leads]\n{line[0]}\n"), encoding="utf-8")
    read_with_notes(load_project(file))


def early(spelling: str) -> pd.DataFrame:
    frame = leads()
    frame.loc[0:33:3, "won"] = "2023-01-01"
    for name in ("created", "won"):
        at = pd.to_datetime(frame[name], errors="coerce")
        frame[name] = at.dt.strftime(spelling).fillna("")
    return frame


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        (pd.concat([leads(), leads().iloc[[5]]]), "'L005' already stands in row 7"),
        (early("%Y-%m-%d"), "converts before it is created"),
        (leads().assign(created=leads()["created"].mask(leads().index == 4, "")), "is missing"),
        (leads().assign(id=leads()["id"].mask(leads().index == 4, "")), "id is missing"),
    ],
    ids=["one id twice", "twelve too early", "no creation", "no id"],
)
def test_the_where_of_the_message_is_the_cure(refusal, tmp_path, frame, words):
    message = refusal(frame, DATED)
    assert words in message
    pasted(tmp_path / "p.toml", message)


def test_early_leads_in_a_local_spelling_are_named_one_by_one(refusal, tmp_path):
    project = DATED.replace("[leads]\n", '[leads]\ndate_format = "%d/%m/%Y"\n')
    message = refusal(early("%d/%m/%Y"), project)
    assert "'L033'" in message
    pasted(tmp_path / "p.toml", message)


@pytest.mark.parametrize(
    ("spelling", "told"),
    [
        ("%m/%d/%Y", 'date_format = "%m/%d/%Y"'),
        ("%d.%m.%Y %H:%M", 'date_format = "%d.%m.%Y %H:%M"'),
        ("%y-%d/%m", "ISO 8601"),
    ],
)
def test_the_date_format_that_fits_is_told(refusal, spelling, told):
    created = pd.to_datetime(leads()["created"]).dt.strftime(spelling)
    assert told in refusal(leads().assign(created=created, won=""), DATED)


def test_one_odd_cell_among_iso_dates_is_to_be_corrected_and_needs_no_format(refusal):
    created = leads()["created"].mask(leads().index == 4, "2024-13-12")
    message = refusal(leads().assign(created=created, won=""), DATED)
    assert "row 6, column created: is no timestamp: '2024-13-12'" in message
    assert "correct the cell" in message
    assert "date_format" not in message


def test_a_repeated_id_is_cured_by_the_key_for_it(refusal, tmp_path):
    message = refusal(pd.concat([leads(), leads().iloc[[5]]]), DATED)
    assert 'set repeated = "first" or "last" in [leads]' in message
    file = tmp_path / "p.toml"
    file.write_text(file.read_text().replace("[leads]\n", '[leads]\nrepeated = "first"\n'))
    assert len(read_with_notes(load_project(file)).tables) == len(leads())


@pytest.mark.parametrize("told", ["cp1252", "latin-1"])
def test_a_file_that_is_utf_8_now_is_told_from_a_misspelt_column(refusal, told):
    project = DATED.replace("[leads]\n", f'[leads]\nencoding = "{told}"\n')
    project = project.replace('created_at = "created"', 'created_at = "Créé le"')
    message = refusal(leads().rename(columns={"created": "Créé le"}), project)
    assert "column Créé le: column not found; the file is UTF-8: take `encoding` out" in message


@pytest.mark.parametrize("told", ["cp1252", "latin-1"])
def test_a_euro_sign_of_windows_is_read_in_header_and_cells(refusal, tmp_path, told):
    text = "id,created,won,size €\nL1,2024-01-01,2024-01-02,“5”\nL2,2024-01-02,,6\n"
    project = DATED.replace("[leads]\n", f'[leads]\nencoding = "{told}"\n')
    file = write(tmp_path, leads(), project.replace('"size"', '"size €"'))
    (tmp_path / "leads.csv").write_bytes(text.encode("cp1252"))
    assert list(read_with_notes(load_project(file)).tables.attribute("size €").values) == [
        "“5”",
        "6",
    ]
    file.write_text(HEAD + DATED)
    assert 'encoding = "cp1252"' in refusal.command("check", file.name)


@pytest.mark.parametrize(
    ("project", "words"),
    [
        (DATED + "[score]\nbands = { A = 30, B = 55 }\n", "least scores of A, B and C"),
        (DATED + "[score]\nbands = { A = 55, B = 70, C = 40 }\n", "falling"),
        (DATED + '[write_back]\nentity = "leads; delete"\n', "write_back.entity: is no name"),
        (DATED + '[write_back]\nentity = "Contact"\n', "no effect without url"),
        (DATED + '[write_back]\ncrm = "odoo"\n', "is no CRM that leadscore knows"),
        (
            DATED + '[write_back]\ncrm = "files"\nurl = "out"\nentity = "Lead"\n',
            "no effect with crm = 'files'",
        ),
        (STATIC + 'horizon = "30d"\n', "row 8, column conversion.horizon: has no effect"),
        (STATIC.replace("[conv", 'fixed = ["size"]\n[conv'), "leads.fixed: has no effect"),
        (STATIC + "[train]\nwindows = [7]\n", "train.windows: has no effect"),
        (STATIC.replace("[leads]", 'order = "desc"\n[leads]'), "without order_by"),
        (DATED.replace("[leads]", 'order_by = "size"\n[leads]'), "is that of creation"),
        (DATED + '[train]\nsplit = "random"\n', "rows are cut in time"),
        (DATED + 'lead = "id"\n', "belongs to a table of opportunities"),
        (DATED.replace("[conv", 'query = "select 1"\n[conv'), "the source is a file"),
        (DATED.replace("[conv", 'exclude = ["size"]\n[conv'), "name the column once"),
        (DATED.replace("[conv", 'exclude = ["sise"]\n[conv'), "did you mean 'size'"),
        (DATED.replace("[conv", 'converted_values = ["x"]\n[conv'), "without leads.converted"),
        (STATIC.replace('"won"', '"size"'), "is no flag that says which leads converted"),
    ],
)
def test_a_key_that_would_do_nothing_or_something_else_is_refused(refusal, project, words):
    assert words in refusal(flags() if project.startswith(STATIC[:60]) else leads(), project)


def events(ids) -> pd.DataFrame:
    return pd.DataFrame({"lead": ids, "at": "2024-08-02", "kind": "call"})


TOUCHES = DATED + '[[events]]\nsource = "touches.csv"\nlead = "lead"\nat = "at"\ntype = "kind"\n'


@pytest.mark.parametrize(
    "ids", [range(N), [f"{i}.0" for i in range(N)], [f" {i:03d} " for i in range(N)]]
)
def test_events_whose_ids_lost_their_zeros_find_their_leads(tmp_path, ids):
    frame = leads().assign(id=[f"{i:03d}" for i in range(N)], won="")
    file = write(tmp_path, frame, TOUCHES, touches=events(list(ids)))
    reading = read_with_notes(load_project(file))
    assert len(reading.tables.events) == N
    assert "spell the id otherwise" in "\n".join(reading.notes)


def test_an_id_that_may_mean_two_leads_is_refused(refusal):
    frame = leads().assign(id=["07", "007", *(f"{i:03d}" for i in range(100, 100 + N - 2))], won="")
    message = refusal(frame, TOUCHES, touches=events([7] * 5))
    assert "may mean several that differ in leading zeros" in message


def test_a_flag_of_three_words_is_read_and_told(tmp_path):
    frame = leads().assign(won=["won", "lost", "open"] * 66 + ["won"])
    notes = read_with_notes(load_project(write(tmp_path, frame, STATIC))).notes
    assert "'won' (67) counts as converted" in "\n".join(notes)


def test_a_trained_column_that_the_project_lacks_is_refused(tmp_path):
    file = write(tmp_path, leads(), DATED)
    reading = open_session(file).read()
    kinds = {attribute.name: attribute.kind for attribute in reading.tables.attributes}
    assert kinds == {"size": "number"}
    file.write_text(file.read_text().replace('fixed = ["size"]\n', ""))
    with pytest.raises(InputError, match="the model was trained on this column"):
        open_session(file).read(kinds=kinds)
    with pytest.raises(InputError, match="the model was trained on this column"):
        open_session(file).read(str(tmp_path / "leads.csv"), kinds=kinds)


def test_an_unknown_lead_is_refused_before_anything_else_is_read(refusal, tmp_path):
    write(tmp_path, leads(), DATED)
    assert "no such lead: 'L77'" in refusal.command("explain", "p.toml", "L77")


def test_a_folder_that_holds_another_demo_is_refused(tmp_path):
    made = make_company(tmp_path, leads=500, seed=1)
    assert make_company(tmp_path, leads=500, seed=1) == made
    before = made.read_bytes(), (tmp_path / "data" / "leads.parquet").read_bytes()
    for other in ({"leads": 600, "seed": 1}, {"leads": 500, "seed": 2}):
        with pytest.raises(InputError, match="holds a demo of leads 500 and seed 1") as caught:
            make_company(tmp_path, **other)
        assert "--leads 500 --seed 1" in str(caught.value)
    assert (made.read_bytes(), (tmp_path / "data" / "leads.parquet").read_bytes()) == before
    (tmp_path / "data" / "demo.json").unlink()  # made before sizes were kept
    with pytest.raises(InputError, match="holds a demo of leads 500"):
        make_company(tmp_path, leads=600, seed=1)
