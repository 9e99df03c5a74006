"""Shapes of pipelines and flags in several languages, and of what spreadsheets do to a table."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tests.fakes.shapes_funnel import Funnel, ShapeCase, Truth, csv, dates, numbered


def flag_and_date(f: Funnel) -> ShapeCase:
    ids = numbered("U{:05d}", len(f))
    table = {
        "user_id": ids,
        "signup_date": dates(f.created, "%Y-%m-%d"),
        "plan": f.pick(("free", "trial")),
        "channel": f.source,
        "company_size": f.size,
        "converted": f.won.notna().astype(int),
    }
    return ShapeCase(
        {"signups.csv": csv(table)},
        Truth("signups.csv", "user_id", "signup_date", f.winners(ids), {"signups.csv": "leads"}),
    )


def flag_and_date_in_german(f: Funnel) -> ShapeCase:
    ids = numbered("{}", len(f), 70_001)
    price = [f"{value:,.2f}".replace(",", " ").replace(".", ",") for value in f.size * 12.5]
    table = {
        "Kunden-Nr.": ids,
        "Anmeldedatum": dates(f.created, "%d.%m.%Y"),
        "Herkunft": f.source,
        "Branche": f.industry,
        "Angebotswert": [text.replace(" ", ".") for text in price],
        "Rückruf gewünscht": f.pick(("ja", "nein")),
        "Abschluss": f.won.notna().map({True: "ja", False: "nein"}),
    }
    return ShapeCase(
        {"Interessenten.csv": csv(table, sep=";", encoding="cp1252")},
        Truth(
            "Interessenten.csv",
            "Kunden-Nr.",
            "Anmeldedatum",
            f.winners(ids),
            {"Interessenten.csv": "leads"},
            encodings={"Interessenten.csv": "cp1252"},
            answers={"leads.converted": "Abschluss"},
        ),
    )


def pipeline_of_four_tables(f: Funnel) -> ShapeCase:
    ids = numbered("{:04X}7Q", len(f), 4096)
    started = f.rng.random(len(f)) > 0.12
    started |= f.closed.notna().to_numpy()
    stage = np.where(started, f.stage("Won", "Lost", ("Engaging",)), "Prospecting")
    accounts = pd.unique(f.company)
    pipeline = {
        "opportunity_id": ids,
        "sales_agent": f.owner,
        "product": f.pick(("GTX Basic", "MG Special", "GTK 500")),
        "account": f.company,
        "deal_stage": stage,
        "engage_date": dates(f.created.where(started), "%Y-%m-%d"),
        "close_date": dates(f.closed, "%Y-%m-%d"),
        "close_value": np.where(f.won.notna(), f.size * 55, np.where(f.lost.notna(), 0, np.nan)),
    }
    account = {
        "account": accounts,
        "sector": f.rng.choice(("retail", "medical", "software"), len(accounts)),
        "year_established": f.rng.integers(1980, 2017, len(accounts)),
        "employees": f.rng.integers(10, 9000, len(accounts)),
    }
    product = {
        "product": ["GTX Basic", "MG Special", "GTK 500"],
        "series": ["GTX", "MG", "GTK"],
        "sales_price": [550, 55, 26768],
    }
    teams = {
        "sales_agent": ["Dana Cole", "Ivan Petrov", "Mei Tan", "Ruth Adler"],
        "manager": ["Dustin B", "Dustin B", "Cara L", "Cara L"],
        "regional_office": ["Central", "Central", "West", "West"],
    }
    files = {
        "accounts.csv": csv(account),
        "products.csv": csv(product),
        "sales_pipeline.csv": csv(pipeline),
        "sales_teams.csv": csv(teams),
    }
    return ShapeCase(
        files,
        Truth(
            "sales_pipeline.csv",
            "opportunity_id",
            "engage_date",
            f.winners(ids),
            {**dict.fromkeys(files, "join"), "sales_pipeline.csv": "leads"},
            kept=frozenset(np.array(ids, object)[started].tolist()),
            answers={"conversion.at": "close_date", "leads.disqualified_at": "close_date"},
        ),
    )


def pipeline_in_french(f: Funnel) -> ShapeCase:
    ids = numbered("AFF-{:04d}", len(f))
    amount = [f"{value},50" for value in f.size * 10]
    table = {
        "Identifiant": ids,
        "Société": f.company,
        "Étape": f.stage("Gagné", "Perdu", ("Nouveau", "Qualifié", "Devis envoyé")),
        "Date de création": dates(f.created, "%d/%m/%Y"),
        "Date de clôture": dates(f.closed, "%d/%m/%Y"),
        "Montant (€)": amount,
        "Origine": f.source,
        "Commercial": f.owner,
    }
    return ShapeCase(
        {"Affaires.csv": csv(table, sep=";", encoding="cp1252")},
        Truth(
            "Affaires.csv",
            "Identifiant",
            "Date de création",
            f.winners(ids),
            {"Affaires.csv": "leads"},
            encodings={"Affaires.csv": "cp1252"},
            answers={"conversion.at": "Date de clôture"},
        ),
    )


def pipeline_in_italian(f: Funnel) -> ShapeCase:
    ids = numbered("TR{:04d}", len(f))
    table = {
        "Codice": ids,
        "Ragione sociale": f.company,
        "Stato trattativa": f.stage("Vinta", "Persa", ("Aperta", "In corso", "Offerta inviata")),
        "Data inserimento": dates(f.created, "%d/%m/%Y %H:%M"),
        "Data esito": dates(f.closed, "%d/%m/%Y %H:%M"),
        "Importo": [f"{value:,}".replace(",", ".") + ",00 €" for value in f.size * 40],
        "Provenienza": f.source,
        "Venditore": f.owner,
    }
    return ShapeCase(
        {"Trattative.csv": csv(table, sep=";", encoding="utf-8-sig")},
        Truth(
            "Trattative.csv",
            "Codice",
            "Data inserimento",
            f.winners(ids),
            {"Trattative.csv": "leads"},
            answers={"conversion.at": "Data esito"},
        ),
    )


def pipeline_in_persian(f: Funnel) -> ShapeCase:
    ids = numbered("F-{:04d}", len(f))
    table = {
        "شناسه": ids,
        "شرکت": f.company,
        "مرحله": f.stage("موفق", "ناموفق", ("جدید", "در حال مذاکره", "ارسال پیشنهاد")),
        "تاریخ ایجاد": dates(f.created, "%Y-%m-%d"),
        "تاریخ بسته شدن": dates(f.closed, "%Y-%m-%d"),
        "منبع": f.source,
        "کارشناس فروش": f.owner,
    }
    return ShapeCase(
        {"فرصت‌ها.csv": csv(table, encoding="utf-8-sig")},
        Truth(
            "فرصت‌ها.csv",
            "شناسه",
            "تاریخ ایجاد",
            f.winners(ids),
            {"فرصت‌ها.csv": "leads"},
            answers={"conversion.at": "تاریخ بسته شدن"},
        ),
    )


def pipeline_in_spanish(f: Funnel) -> ShapeCase:
    ids = numbered("{}", len(f), 5_001)
    table = {
        "N.º": ids,
        "Empresa": f.company,
        "Etapa": f.stage("Ganado", "Perdido", ("Nuevo", "Negociación", "Propuesta")),
        "Fecha de creación": dates(f.created, "%d/%m/%Y"),
        "Fecha de cierre": dates(f.closed, "%d/%m/%Y"),
        "Importe": f.size * 15,
        "Fuente": f.source,
        "Responsable": f.owner,
    }
    return ShapeCase(
        {"Oportunidades.csv": csv(table, sep=";")},
        Truth(
            "Oportunidades.csv",
            "N.º",
            "Fecha de creación",
            f.winners(ids),
            {"Oportunidades.csv": "leads"},
            answers={"conversion.at": "Fecha de cierre"},
        ),
    )


def excel_unicode_text(f: Funnel) -> ShapeCase:
    ids = numbered("{}", len(f), 31)
    table = {
        "Lead No": ids,
        "Entered": dates(f.created, "%d/%m/%Y"),
        "Company": f.company,
        "Origin": f.source,
        "Sector": f.industry,
        "Opportunity since": dates(f.won, "%d/%m/%Y"),
    }
    return ShapeCase(
        {"leads.txt": csv(table, sep="\t", encoding="utf-16")},
        Truth(
            "leads.txt",
            "Lead No",
            "Entered",
            f.winners(ids),
            {"leads.txt": "leads"},
            answers={"leads.converted_at": "Opportunity since"},
        ),
    )


def excel_with_a_separator_line(f: Funnel) -> ShapeCase:
    ids = numbered("K-{:04d}", len(f))
    table = {
        "Nummer": ids,
        "Erstellt am": dates(f.created, "%d.%m.%Y %H:%M"),
        "Status": f.stage("Gewonnen", "Verloren", ("Offen", "In Arbeit")),
        "Abgeschlossen am": dates(f.closed, "%d.%m.%Y %H:%M"),
        "Umsatz": [f"{value},90" for value in f.size * 3],
        "Quelle": f.source,
        "Betreuer": f.owner,
    }
    return ShapeCase(
        {"Export.csv": csv(table, sep=";", encoding="utf-8-sig", before="sep=;\r\n")},
        Truth(
            "Export.csv",
            "Nummer",
            "Erstellt am",
            f.winners(ids),
            {"Export.csv": "leads"},
            answers={"conversion.at": "Abgeschlossen am"},
        ),
    )


def excel_serial_dates(f: Funnel) -> ShapeCase:
    ids = numbered("{}", len(f), 10_001)
    base = pd.Timestamp("1899-12-30")

    def serial(at: pd.Series) -> pd.Series:
        days = (at - base) / pd.Timedelta(days=1)
        return days.round(5).map(lambda day: "" if pd.isna(day) else f"{day:g}")

    table = {
        "Lead ID": ids,
        "Created Date": serial(f.created.dt.floor("D")),
        "Source": f.source,
        "Industry": f.industry,
        "Won Date": serial(f.won.dt.floor("D")),
    }
    return ShapeCase(
        {"leads.csv": csv(table)},
        Truth(
            "leads.csv",
            "Lead ID",
            "Created Date",
            f.winners(ids),
            {"leads.csv": "leads"},
            answers={"leads.converted_at": "Won Date"},
        ),
    )


SHAPES = (
    flag_and_date,
    flag_and_date_in_german,
    pipeline_of_four_tables,
    pipeline_in_french,
    pipeline_in_italian,
    pipeline_in_persian,
    pipeline_in_spanish,
    excel_unicode_text,
    excel_with_a_separator_line,
    excel_serial_dates,
)
