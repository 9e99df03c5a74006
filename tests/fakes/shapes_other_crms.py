"""Shapes with the column names of Pipedrive, Odoo, Zoho, Freshsales, Close, Copper and others."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tests.fakes.shapes_funnel import END, Funnel, ShapeCase, Truth, csv, dates, numbered

ISO = "%Y-%m-%d %H:%M:%S"


def _pipedrive(f: Funnel, ids: list[str]) -> dict[str, object]:
    return {
        "Deal - ID": ids,
        "Deal - Title": [f"{name} deal" for name in f.company],
        "Deal - Owner": f.owner,
        "Deal - Organization": f.company,
        "Deal - Value": f.rng.integers(3, 80, len(f)) * 250,
        "Deal - Currency": "EUR",
        "Deal - Stage": f.pick(("Qualified", "Contact Made", "Demo Scheduled", "Proposal Made")),
        "Deal - Status": f.stage("Won", "Lost", ("Open",)),
        "Deal - Deal created": dates(f.created, ISO),
        "Deal - Update time": dates(f.closed.fillna(END), ISO),
        "Deal - Won time": dates(f.won, ISO),
        "Deal - Lost time": dates(f.lost, ISO),
        "Deal - Lost reason": f.stage("", "Price", ("",)),
        "Deal - Expected close date": dates(f.close_or_expected(), "%Y-%m-%d"),
        "Deal - Label": f.pick(("Hot", "Cold", "")),
        "Deal - Source channel": f.source,
    }


def pipedrive_deals(f: Funnel) -> ShapeCase:
    ids = numbered("{}", len(f))
    return ShapeCase(
        {"deals-7731.csv": csv(_pipedrive(f, ids))},
        Truth(
            "deals-7731.csv",
            "Deal - ID",
            "Deal - Deal created",
            f.winners(ids),
            {"deals-7731.csv": "leads"},
            answers={"leads.converted_at": "Deal - Won time"},
        ),
    )


def pipedrive_deals_and_activities(f: Funnel) -> ShapeCase:
    ids = np.array(numbered("{}", len(f), 301), object)
    acts = f.acts(("Call", "Meeting", "Task", "E-mail"))
    activities = {
        "Activity - ID": numbered("{}", len(acts), 40_001),
        "Activity - Subject": acts["kind"] + " with client",
        "Activity - Type": acts["kind"],
        "Activity - Add time": dates(acts["at"], ISO),
        "Activity - Due date": dates(acts["at"] + pd.Timedelta(days=1), "%Y-%m-%d"),
        "Activity - Deal ID": ids[acts["lead"]],
        "Activity - Assigned to user": f.rng.choice(("Dana Cole", "Mei Tan"), len(acts)),
    }
    return ShapeCase(
        {
            "activities.csv": csv(activities, sep=";"),
            "deals.csv": csv(_pipedrive(f, ids.tolist()), sep=";"),
        },
        Truth(
            "deals.csv",
            "Deal - ID",
            "Deal - Deal created",
            f.winners(ids),
            {"deals.csv": "leads", "activities.csv": "events"},
            answers={"leads.converted_at": "Deal - Won time"},
        ),
    )


def odoo_technical(f: Funnel) -> ShapeCase:
    ids = numbered("__export__.crm_lead_{}_8fa3b1", len(f))
    table = {
        "id": ids,
        "name": f.pick(("Quote for 20 chairs", "Office design", "Interest in tables")),
        "contact_name": [f"{a} {b}" for a, b in zip(f.first, f.last, strict=True)],
        "partner_name": f.company,
        "email_from": f.email,
        "create_date": dates(f.created, ISO),
        "date_closed": dates(f.closed, ISO),
        "stage_id": f.stage("Won", "Qualified", ("New", "Qualified", "Proposition")),
        "active": np.where(f.lost.notna(), "False", "True"),
        "probability": np.where(f.won.notna(), 100.0, np.where(f.lost.notna(), 0.0, 37.5)),
        "lost_reason_id": f.stage("", "Too expensive", ("",)),
        "source_id": f.source,
        "user_id": f.owner,
        "expected_revenue": f.rng.integers(1, 90, len(f)) * 500.0,
    }
    return ShapeCase(
        {"crm.lead.csv": csv(table)},
        Truth(
            "crm.lead.csv",
            "id",
            "create_date",
            f.winners(ids),
            {"crm.lead.csv": "leads"},
            answers={"conversion.at": "date_closed"},
        ),
    )


def odoo_in_italian(f: Funnel) -> ShapeCase:
    ids = numbered("{}", len(f), 88)
    table = {
        "ID": ids,
        "Opportunità": f.pick(("Preventivo sedie", "Arredo ufficio", "Richiesta catalogo")),
        "Creato il": dates(f.created, ISO),
        "Fase": f.stage("Vinta", "Persa", ("Nuova", "Qualificata", "Proposta")),
        "Data chiusura": dates(f.closed, ISO),
        "Addetto vendite": f.owner,
        "Ricavo previsto": f.rng.integers(1, 90, len(f)) * 500.0,
        "Fonte": f.source,
        "Nazione": f.country,
    }
    return ShapeCase(
        {"Pipeline.csv": csv(table)},
        Truth(
            "Pipeline.csv",
            "ID",
            "Creato il",
            f.winners(ids),
            {"Pipeline.csv": "leads"},
            answers={"conversion.at": "Data chiusura"},
        ),
    )


def zoho_leads(f: Funnel) -> ShapeCase:
    ids = numbered("zcrm_5725767000000{:06d}", len(f))
    table = {
        "Record Id": ids,
        "Lead Owner": f.owner,
        "First Name": f.first,
        "Last Name": f.last,
        "Company": f.company,
        "Email": f.email,
        "Lead Source": f.source,
        "Lead Status": f.pick(("Contacted", "Not Contacted", "Junk Lead", "Pre-Qualified", "")),
        "Industry": f.industry,
        "No. of Employees": f.size,
        "Created Time": dates(f.created, ISO),
        "Modified Time": dates(f.closed.fillna(END), ISO),
        "Last Activity Time": dates(f.closed.fillna(END), ISO),
        "Is Converted": f.won.notna().map({True: "true", False: "false"}),
        "Converted Date Time": dates(f.won, ISO),
        "Country": f.country,
    }
    return ShapeCase(
        {"Leads_001.csv": csv(table)},
        Truth(
            "Leads_001.csv",
            "Record Id",
            "Created Time",
            f.winners(ids),
            {"Leads_001.csv": "leads"},
            answers={"leads.converted_at": "Converted Date Time"},
        ),
    )


def zoho_deals(f: Funnel) -> ShapeCase:
    ids = numbered("zcrm_572576700000{:07d}", len(f))
    lost = f.rng.choice(("Closed Lost", "Closed Lost to Competition"), len(f))
    open_stages = ("Qualification", "Needs Analysis", "Value Proposition", "Negotiation/Review")
    stage = np.where(f.lost.notna(), lost, f.stage("Closed Won", "-", open_stages))
    table = {
        "Record Id": ids,
        "Deal Name": [f"Deal {i}" for i in range(len(f))],
        "Deal Owner": f.owner,
        "Amount": f.rng.integers(1, 90, len(f)) * 700,
        "Stage": stage,
        "Closing Date": dates(f.close_or_expected(), "%d/%m/%Y"),
        "Created Time": dates(f.created, "%d/%m/%Y %H:%M"),
        "Lead Source": f.source,
        "Account Name": f.company,
        "Type": f.pick(("New Business", "Existing Business")),
    }
    return ShapeCase(
        {"Deals_2024_08_31.csv": csv(table)},
        Truth(
            "Deals_2024_08_31.csv",
            "Record Id",
            "Created Time",
            f.winners(ids),
            {"Deals_2024_08_31.csv": "leads"},
            answers={"conversion.at": "Closing Date"},
        ),
    )


def freshsales_deals(f: Funnel) -> ShapeCase:
    ids = numbered("{}", len(f), 402_000_000_001)
    form = "%d-%m-%Y %H:%M:%S"
    table = {
        "Id": ids,
        "Name": [f"{name} renewal {i}" for i, name in enumerate(f.company)],
        "Deal value": f.rng.integers(1, 90, len(f)) * 300,
        "Deal stage": f.stage("Won", "Lost", ("New", "Qualification", "Demo", "Negotiation")),
        "Sales owner": f.owner,
        "Source": f.source,
        "Product": f.pick(("Basic", "Pro")),
        "Lost reason": f.stage("", "Budget", ("",)),
        "Expected close date": dates(f.close_or_expected(), form),
        "Closed date": dates(f.closed, form),
        "Created at": dates(f.created, form),
        "Updated at": dates(f.closed.fillna(END), form),
    }
    return ShapeCase(
        {"deals.csv": csv(table)},
        Truth(
            "deals.csv",
            "Id",
            "Created at",
            f.winners(ids),
            {"deals.csv": "leads"},
            answers={"conversion.at": "Closed date"},
        ),
    )


def close_leads_opportunities_activities(f: Funnel) -> ShapeCase:
    ids = np.array(numbered("lead_{:05d}Qx", len(f)), object)
    form = "%Y-%m-%dT%H:%M:%S.123000+00:00"
    rows = np.flatnonzero(f.won.notna())
    leads = {
        "id": ids,
        "display_name": f.company,
        "status_label": f.pick(("Potential", "Contacted", "Qualified", "Bad Fit")),
        "date_created": dates(f.created, form),
        "date_updated": dates(f.closed.fillna(END), form),
        "contact_name": [f"{a} {b}" for a, b in zip(f.first, f.last, strict=True)],
        "primary_email": f.email,
        "custom.Industry": f.industry,
        "custom.Source": f.source,
    }
    opportunities = {
        "id": numbered("oppo_{:05d}", len(rows)),
        "lead_id": ids[rows],
        "status_label": "Proposal",
        "status_type": "active",
        "date_created": dates(f.won.iloc[rows], form).to_numpy(),
        "confidence": f.rng.integers(1, 10, len(rows)) * 10,
        "value": f.rng.integers(1, 90, len(rows)) * 10_000,
        "user_name": f.owner[rows],
    }
    acts = f.acts(("Call", "Email", "SMS", "Meeting"))
    activities = {
        "id": numbered("acti_{:06d}", len(acts)),
        "lead_id": ids[acts["lead"]],
        "_type": acts["kind"],
        "direction": f.rng.choice(("incoming", "outgoing"), len(acts)),
        "date_created": dates(acts["at"], form),
    }
    return ShapeCase(
        {
            "opportunities.csv": csv(opportunities),
            "activities.csv": csv(activities),
            "leads.csv": csv(leads),
        },
        Truth(
            "leads.csv",
            "id",
            "date_created",
            f.winners(ids),
            {"leads.csv": "leads", "opportunities.csv": "conversion", "activities.csv": "events"},
            answers={"conversion.at": "date_created"},
        ),
    )


def copper_opportunities(f: Funnel) -> ShapeCase:
    ids = numbered("{}", len(f), 28_000_001)
    table = {
        "Opportunity ID": ids,
        "Name": [f"{name} {i}" for i, name in enumerate(f.company)],
        "Company": f.company,
        "Owned By": f.owner,
        "Pipeline": "Sales",
        "Stage": f.pick(("First Meeting", "Presentation", "Contract Review")),
        "Status": f.stage("Won", "Lost", ("Open", "Open", "Abandoned")),
        "Value": f.rng.integers(1, 90, len(f)) * 100,
        "Close Date": dates(f.close_or_expected(), "%m/%d/%Y"),
        "Created At": dates(f.created, "%m/%d/%Y"),
        "Loss Reason": f.stage("", "Price", ("",)),
        "Source": f.source,
        "Priority": f.pick(("None", "Low", "High")),
    }
    return ShapeCase(
        {"copper_opportunities_export.csv": csv(table)},
        Truth(
            "copper_opportunities_export.csv",
            "Opportunity ID",
            "Created At",
            f.winners(ids),
            {"copper_opportunities_export.csv": "leads"},
            answers={"conversion.at": "Close Date"},
        ),
    )


def copper_leads(f: Funnel) -> ShapeCase:
    ids = numbered("{}", len(f), 9_100_001)
    table = {
        "Lead ID": ids,
        "Lead Name": [f"{a} {b}" for a, b in zip(f.first, f.last, strict=True)],
        "Title": f.pick(("CEO", "Buyer", "Engineer")),
        "Company": f.company,
        "Status": f.pick(("New", "Contacted", "Qualified", "Unqualified")),
        "Source": f.source,
        "Owner": f.owner,
        "Email": f.email,
        "Created At": dates(f.created, "%m/%d/%Y %H:%M"),
        "Updated At": dates(f.closed.fillna(END), "%m/%d/%Y %H:%M"),
        "Converted At": dates(f.won, "%m/%d/%Y %H:%M"),
        "Converted Opportunity ID": np.where(f.won.notna(), ids, ""),
    }
    return ShapeCase(
        {"copper_leads_export.csv": csv(table)},
        Truth(
            "copper_leads_export.csv",
            "Lead ID",
            "Created At",
            f.winners(ids),
            {"copper_leads_export.csv": "leads"},
            answers={"leads.converted_at": "Converted At"},
        ),
    )


def suitecrm_leads(f: Funnel) -> ShapeCase:
    ids = numbered("{:08x}-1b7f-b4a2-65a1", len(f), 4_000)
    table = {
        "ID": ids,
        "Date Created": dates(f.created, "%m/%d/%Y %H:%M"),
        "Date Modified": dates(f.closed.fillna(END), "%m/%d/%Y %H:%M"),
        "First Name": f.first,
        "Last Name": f.last,
        "Title": f.pick(("CEO", "Buyer", "Engineer")),
        "Account Name": f.company,
        "Lead Source": f.source,
        "Status": f.stage("Converted", "Dead", ("New", "Assigned", "In Process", "Recycled")),
        "Converted": f.won.notna().astype(int),
        "Do Not Call": f.rng.integers(0, 2, len(f)),
        "Assigned to": f.owner,
    }
    return ShapeCase(
        {"Leads.csv": csv(table)},
        Truth("Leads.csv", "ID", "Date Created", f.winners(ids), {"Leads.csv": "leads"}),
    )


def marketo_activities(f: Funnel) -> ShapeCase:
    ids = np.array(numbered("{}", len(f), 1_200_001), object)
    form = "%Y-%m-%dT%H:%M:%SZ"
    leads = {
        "Id": ids,
        "firstName": f.first,
        "lastName": f.last,
        "company": f.company,
        "email": f.email,
        "createdAt": dates(f.created, form),
        "updatedAt": dates(f.closed.fillna(END), form),
        "leadSource": f.source,
        "industry": f.industry,
        "numberOfEmployees": f.size,
    }
    acts = f.acts(("Visit Webpage", "Fill Out Form", "Click Email", "Open Email"))
    won = pd.DataFrame({"lead": np.flatnonzero(f.won.notna()), "at": f.won.dropna().to_numpy()})
    both = pd.concat([acts, won.assign(kind="Add to Opportunity")]).sort_values("at", kind="stable")
    activities = {
        "marketoGUID": numbered("{}", len(both), 5_000_001),
        "leadId": ids[both["lead"]],
        "activityDate": dates(both["at"].to_numpy(), form),
        "activityType": both["kind"].to_numpy(),
        "campaignId": f.rng.integers(1_000, 1_020, len(both)),
    }
    return ShapeCase(
        {"activities.csv": csv(activities), "leads.csv": csv(leads)},
        Truth(
            "leads.csv",
            "Id",
            "createdAt",
            f.winners(ids),
            {"leads.csv": "leads", "activities.csv": "events"},
            answers={"conversion.event": "Add to Opportunity"},
        ),
    )


def bitrix24_leads(f: Funnel) -> ShapeCase:
    ids = numbered("{}", len(f), 2)
    form = "%d/%m/%Y %H:%M:%S"
    table = {
        "ID": ids,
        "Stage": f.stage("Good lead", "Junk lead", ("Unassigned", "In progress", "Processed")),
        "Lead name": f.pick(("CRM form", "Inbound call", "Open line chat")),
        "First name": f.first,
        "Last name": f.last,
        "Created": dates(f.created, form),
        "Source": f.source,
        "Responsible": f.owner,
        "Modified": dates(f.closed.fillna(END), form),
        "Total": f.rng.integers(0, 50, len(f)) * 100,
        "Currency": "EUR",
    }
    return ShapeCase(
        {"LEAD_20240831.csv": csv(table, sep=";", encoding="utf-8-sig")},
        Truth("LEAD_20240831.csv", "ID", "Created", f.winners(ids), {"LEAD_20240831.csv": "leads"}),
    )


def zendesk_sell_deals(f: Funnel) -> ShapeCase:
    ids = numbered("{}", len(f), 190_000_001)
    stages = ("Incoming", "Qualified", "Quote", "Closure")
    table = {
        "id": ids,
        "name": [f"Deal with {name} {i}" for i, name in enumerate(f.company)],
        "stage_name": f.stage("Won", "Unqualified", stages),
        "value": f.rng.integers(1, 90, len(f)) * 100,
        "source_name": f.source,
        "owner_name": f.owner,
        "added_at": dates(f.created, "%Y-%m-%dT%H:%M:%SZ"),
        "last_stage_change_at": dates(f.closed.fillna(END), "%Y-%m-%dT%H:%M:%SZ"),
        "estimated_close_date": dates(f.close_or_expected(), "%Y-%m-%d"),
        "loss_reason_name": f.stage("", "Timing", ("",)),
    }
    return ShapeCase(
        {"deals.1.csv": csv(table)},
        Truth(
            "deals.1.csv",
            "id",
            "added_at",
            f.winners(ids),
            {"deals.1.csv": "leads"},
            answers={"conversion.at": "last_stage_change_at"},
        ),
    )


SHAPES = (
    pipedrive_deals,
    pipedrive_deals_and_activities,
    odoo_technical,
    odoo_in_italian,
    zoho_leads,
    zoho_deals,
    freshsales_deals,
    close_leads_opportunities_activities,
    copper_opportunities,
    copper_leads,
    suitecrm_leads,
    marketo_activities,
    bitrix24_leads,
    zendesk_sell_deals,
)
