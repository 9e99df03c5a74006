"""What check says of columns: each one once, and nothing that speaks of the outcome is advised."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pandas as pd
import pytest

from data.project import check_project
from data.reading.column_roles import column_roles
from data.reading.read_tables import read_with_notes
from data.reading.review import undeclared_columns

STAGES = {
    "english": ("Deal stage", "Closed Won", "Closed Lost", "Proposal"),
    "portuguese": ("Etapa do funil", "Ganho", "Perdido", "Proposta enviada"),
    "german": ("Verlauf", "Gewonnen", "Verloren", "Angebot"),
    "french": ("Suivi", "Gagné", "Perdu", "Devis"),
    "italian": ("Avanzamento", "Vinta", "Persa", "Preventivo"),
    "spanish": ("Situación", "Ganado", "Perdido", "Propuesta"),
}
LATER = (
    "Motivo da perda",
    "Verlustgrund",
    "Letzte Änderung",
    "Dernière modification",
    "Data ultimo contatto",
    "Última actualización",
    "Statut du dossier",
)


def leads(stage: str, words: tuple[str, ...]) -> pd.DataFrame:
    n = 60
    frame = pd.DataFrame(
        {
            "id": [f"L{i}" for i in range(n)],
            "created": pd.Timestamp("2025-01-01") + pd.to_timedelta(np.arange(n), "D"),
            "closed": pd.Timestamp("2025-05-01"),
            stage: [words[i % 3] for i in range(n)],
            "industry": ["steel" if i % 2 else "food" for i in range(n)],
        }
    )
    for name in LATER:
        frame[name] = ["a" if i % 2 else "b" for i in range(n)]
    frame["Signé"] = ["Oui" if i % 3 == 0 else "Non" for i in range(n)]
    frame["Montant payé"] = ["900" if i % 3 == 0 else None for i in range(n)]
    frame["Commercial"] = ["Luc" if i % 2 else "Zoé" for i in range(n)]
    return frame


def project_of(stage: str, won: str, *, apart: bool = False):
    conversion = {"horizon": "30d", "snapshots": ["0d"]}
    conversion |= {
        "source": "deals.csv" if apart else "leads.csv",
        "lead": "id",
        "at": "closed",
        "where": f"\"{stage}\" = '{won}'",
    }
    return check_project(
        {
            "project": {"name": "t"},
            "leads": {
                "source": "leads.csv",
                "id": "id",
                "created_at": "created",
                "owner": "Commercial",
            },
            "conversion": conversion,
        }
    )


@pytest.mark.parametrize("language", STAGES)
@pytest.mark.parametrize("apart", [False, True])
def test_nothing_that_tells_the_outcome_or_comes_later_is_advised_as_fixed(language, apart):
    stage, *words = STAGES[language]
    frame = leads(stage, tuple(words))
    project = project_of(stage, words[0], apart=apart)
    frames = {"leads": frame, "conversion": frame}
    advised = {r.name for r in undeclared_columns(project, frames) if r.guess == "fixed"}
    assert advised == {"industry"}


def test_a_table_that_is_read_as_leads_and_as_outcome_is_listed_once(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    stage, *words = STAGES["portuguese"]
    leads(stage, tuple(words)).to_csv("leads.csv", index=False)
    roles = column_roles(project_of(stage, words[0]))
    assert max(Counter((role.table, role.name) for role in roles).values()) == 1
    of = {role.name: role.role for role in roles}
    assert of["id"] == "id of the lead"
    assert (of["closed"], of[stage]) == ("conversion", "conversion")
    assert of["industry"] == "not declared"


def test_in_static_mode_the_columns_called_features_are_those_that_are_read_as_such():
    project = check_project(
        {
            "project": {"name": "p", "order_by": "number"},
            "conversion": {},
            "leads": {
                "id": "id",
                "converted": "won",
                "source": "leads.csv",
                "name": ["who"],
                "owner": "rep",
                "channel": "source",
                "title": "job",
                "exclude": ["notes"],
                "join": [{"on": "company", "source": "accounts.csv"}],
            },
        }
    )
    names = ("id", "won", "who", "rep", "source", "job", "notes", "number", "company", "plan")
    rows = {name: [f"{name} {i % 3}" for i in range(12)] for name in names}
    rows |= {"id": [f"L{i}" for i in range(12)], "won": [1, 0] * 6, "number": [*range(12)]}
    frames = {
        "leads": pd.DataFrame(rows),
        "join.0": pd.DataFrame({"company": [f"company {i}" for i in range(3)], "size": [1, 2, 3]}),
    }
    read = {a.name for a in read_with_notes(project, frames=frames).tables.attributes}
    said = {role.attribute for role in column_roles(project, frames) if role.attribute}
    assert said == read >= {"rep", "source", "job", "plan"}
