"""Shapes with the column names of HubSpot, Salesforce and Dynamics exports."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tests.fakes.shapes_funnel import END, Funnel, ShapeCase, Truth, csv, dates, numbered

US_TIME = "%m/%d/%Y %I:%M %p"


def hubspot_contacts(f: Funnel) -> ShapeCase:
    ids = numbered("{}", len(f), 120_001)
    customer = (f.won + pd.Timedelta(days=20)).where(f.rng.random(len(f)) < 0.5)
    customer = customer.where(customer < END)
    stage = np.where(f.won.notna(), "Opportunity", f.pick(("Lead", "Marketing Qualified Lead")))
    table = {
        "Record ID": ids,
        "First Name": f.first,
        "Last Name": f.last,
        "Email": f.email,
        "Contact owner": f.owner,
        "Lifecycle Stage": np.where(customer.notna(), "Customer", stage),
        "Lead Status": f.pick(("New", "Open", "In Progress", "Attempted to Contact")),
        "Create Date": dates(f.created, "%Y-%m-%d %H:%M"),
        "Became a Lead Date": dates(f.created + pd.Timedelta(minutes=2), "%Y-%m-%d %H:%M"),
        "Became an Opportunity Date": dates(f.won, "%Y-%m-%d %H:%M"),
        "Became a Customer Date": dates(customer, "%Y-%m-%d %H:%M"),
        "Original Source": f.source,
        "Number of Pageviews": f.rng.poisson(6, len(f)),
        "Last Activity Date": dates(f.closed.fillna(END), "%Y-%m-%d %H:%M"),
        "Industry": f.industry,
        "Country/Region": f.country,
        "Company Name": f.company,
    }
    won = frozenset(np.array(ids)[f.won.dt.floor("min").notna()].tolist())
    return ShapeCase(
        {"hubspot-crm-exports-all-contacts-2024-08-31.csv": csv(table)},
        Truth(
            "hubspot-crm-exports-all-contacts-2024-08-31.csv",
            "Record ID",
            "Create Date",
            won,
            {"hubspot-crm-exports-all-contacts-2024-08-31.csv": "leads"},
            answers={"leads.converted_at": "Became an Opportunity Date"},
        ),
    )


def hubspot_contacts_and_deals(f: Funnel) -> ShapeCase:
    ids = np.array(numbered("{}", len(f), 51), object)
    rows = np.flatnonzero(f.won.notna())
    contacts = {
        "Record ID": ids,
        "First Name": f.first,
        "Last Name": f.last,
        "Create Date": dates(f.created, "%Y-%m-%d %H:%M"),
        "Original Source": f.source,
        "Industry": f.industry,
        "Contact owner": f.owner,
    }
    deals = {
        "Record ID": numbered("{}", len(rows), 9_000_001),
        "Deal Name": [f"{name} - New Deal" for name in f.company[rows]],
        "Deal Stage": f.rng.choice(("Closed Won", "Closed Lost", "Contract Sent"), len(rows)),
        "Pipeline": "Sales Pipeline",
        "Amount": f.rng.integers(5, 90, len(rows)) * 100,
        "Create Date": dates(f.won.iloc[rows], "%Y-%m-%d %H:%M").to_numpy(),
        "Close Date": dates(f.won.iloc[rows] + pd.Timedelta(days=30), "%Y-%m-%d %H:%M").to_numpy(),
        "Associated Contact IDs": ids[rows],
    }
    return ShapeCase(
        {"all-deals.csv": csv(deals), "all-contacts.csv": csv(contacts)},
        Truth(
            "all-contacts.csv",
            "Record ID",
            "Create Date",
            frozenset(ids[rows].tolist()),
            {"all-contacts.csv": "leads", "all-deals.csv": "conversion"},
            answers={"conversion.at": "Create Date", "conversion.lead": "Associated Contact IDs"},
        ),
    )


def hubspot_deals(f: Funnel) -> ShapeCase:
    ids = numbered("{}", len(f), 17_400_000_001)
    stages = ("Appointment Scheduled", "Qualified To Buy", "Presentation Scheduled")
    table = {
        "Record ID": ids,
        "Deal Name": [f"{name} {i}" for i, name in enumerate(f.company)],
        "Deal Stage": f.stage("Closed Won", "Closed Lost", (*stages, "Contract Sent")),
        "Close Date": dates(f.close_or_expected(), "%Y-%m-%d %H:%M"),
        "Deal owner": f.owner,
        "Amount": f.rng.integers(5, 90, len(f)) * 100,
        "Create Date": dates(f.created, "%Y-%m-%d %H:%M"),
        "Pipeline": "Sales Pipeline",
        "Deal Type": f.pick(("New Business", "Existing Business")),
        "Original Source Type": f.source,
    }
    return ShapeCase(
        {"hubspot-deals.csv": csv(table)},
        Truth(
            "hubspot-deals.csv",
            "Record ID",
            "Create Date",
            f.winners(ids),
            {"hubspot-deals.csv": "leads"},
            answers={"conversion.at": "Close Date", "leads.disqualified_at": "Close Date"},
        ),
    )


def salesforce_lead_report(f: Funnel) -> ShapeCase:
    ids = numbered("00Q5f00000{:05d}", len(f))
    status = f.stage("Closed - Converted", "Closed - Not Converted", ("Open", "Working"))
    table = {
        "Lead ID": ids,
        "First Name": f.first,
        "Last Name": f.last,
        "Title": f.pick(("CEO", "Buyer", "Head of IT", "Marketing Manager")),
        "Company / Account": f.company,
        "Email": f.email,
        "Lead Source": f.source,
        "Lead Status": status,
        "Industry": f.industry,
        "Rating": f.pick(("Hot", "Warm", "Cold")),
        "Lead Owner": f.owner,
        "Created Date": dates(f.created, "%m/%d/%Y"),
        "Converted": f.won.notna().astype(int),
        "Converted Date": dates(f.won, "%m/%d/%Y"),
        "Last Activity": dates(f.closed.fillna(END), "%m/%d/%Y"),
        "Annual Revenue": f.size * 90_000,
        "No. of Employees": f.size,
    }
    return ShapeCase(
        {"report1724.csv": csv(table)},
        Truth(
            "report1724.csv",
            "Lead ID",
            "Created Date",
            f.winners(ids),
            {"report1724.csv": "leads"},
            answers={"leads.converted_at": "Converted Date"},
        ),
    )


def salesforce_data_loader(f: Funnel) -> ShapeCase:
    ids = np.array(numbered("00Q5f000002{:04d}AAA", len(f)), object)
    form = "%Y-%m-%dT%H:%M:%S.000Z"
    leads = {
        "Id": ids,
        "FirstName": f.first,
        "LastName": f.last,
        "Company": f.company,
        "Email": f.email,
        "Status": f.stage("Qualified", "Unqualified", ("Open - Not Contacted", "Working")),
        "LeadSource": f.source,
        "Industry": f.industry,
        "OwnerId": f.pick(("0055f00000A", "0055f00000B")),
        "IsConverted": f.won.notna().map({True: "true", False: "false"}),
        "ConvertedDate": dates(f.won, "%Y-%m-%d"),
        "ConvertedOpportunityId": np.where(f.won.notna(), "0065f000" + ids, ""),
        "CreatedDate": dates(f.created, form),
        "LastModifiedDate": dates(f.closed.fillna(END), form),
    }
    acts = f.acts(("Call", "Email", "Meeting"))
    tasks = {
        "Id": numbered("00T{:06d}", len(acts)),
        "WhoId": ids[acts["lead"]],
        "Subject": f.rng.choice(("Call", "Follow up", "Send quote"), len(acts)),
        "Type": acts["kind"],
        "Status": "Completed",
        "ActivityDate": dates(acts["at"], "%Y-%m-%d"),
        "CreatedDate": dates(acts["at"], form),
    }
    rows = f.rng.choice(len(f), 150, replace=False)
    moved = f.created.iloc[rows] + pd.Timedelta(hours=20)
    history = {
        "Id": numbered("017{:06d}", len(rows)),
        "LeadId": ids[rows],
        "Field": "Status",
        "OldValue": "Open - Not Contacted",
        "NewValue": "Working",
        "CreatedDate": dates(moved, form).to_numpy(),
    }
    return ShapeCase(
        {"LeadHistory.csv": csv(history), "Task.csv": csv(tasks), "Lead.csv": csv(leads)},
        Truth(
            "Lead.csv",
            "Id",
            "CreatedDate",
            f.winners(ids),
            {"Lead.csv": "leads", "Task.csv": "events", "LeadHistory.csv": "history"},
            answers={"leads.converted_at": "ConvertedDate"},
        ),
    )


def salesforce_opportunities(f: Funnel) -> ShapeCase:
    ids = numbered("0065f00000{:05d}", len(f))
    stages = ("Prospecting", "Qualification", "Needs Analysis", "Negotiation/Review")
    table = {
        "Opportunity ID": ids,
        "Account Name": f.company,
        "Stage": f.stage("Closed Won", "Closed Lost", stages),
        "Amount": f.rng.integers(1, 90, len(f)) * 1000,
        "Probability (%)": np.where(f.won.notna(), 100, f.rng.integers(1, 9, len(f)) * 10),
        "Close Date": dates(f.close_or_expected(), "%m/%d/%Y"),
        "Created Date": dates(f.created, "%m/%d/%Y"),
        "Lead Source": f.source,
        "Type": f.pick(("New Business", "Upgrade")),
        "Opportunity Owner": f.owner,
        "Closed": f.closed.notna().astype(int),
        "Won": f.won.notna().astype(int),
    }
    return ShapeCase(
        {"opportunities.csv": csv(table)},
        Truth(
            "opportunities.csv",
            "Opportunity ID",
            "Created Date",
            f.winners(ids),
            {"opportunities.csv": "leads"},
            answers={"conversion.at": "Close Date", "leads.disqualified_at": "Close Date"},
        ),
    )


def dynamics_leads(f: Funnel) -> ShapeCase:
    ids = numbered("{:08x}-6d2a-ee11-9966-000d3a", len(f), 77_000)
    table = {
        "(Do Not Modify) Lead": ids,
        "(Do Not Modify) Row Checksum": numbered("hCk{:06d}==", len(f)),
        "(Do Not Modify) Modified On": dates(f.closed.fillna(END), US_TIME),
        "Name": [f"{a} {b}" for a, b in zip(f.first, f.last, strict=True)],
        "Topic": f.pick(("Interested in product A", "Price list", "Call back")),
        "Status": f.stage("Qualified", "Disqualified", ("Open",)),
        "Status Reason": f.stage("Qualified", "Lost", ("New", "Contacted")),
        "Created On": dates(f.created, US_TIME),
        "Lead Source": f.source,
        "Industry": f.industry,
        "Owner": f.owner,
    }
    return ShapeCase(
        {"All Leads 8-31-2024.csv": csv(table)},
        Truth(
            "All Leads 8-31-2024.csv",
            "(Do Not Modify) Lead",
            "Created On",
            f.winners(ids),
            {"All Leads 8-31-2024.csv": "leads"},
        ),
    )


def dynamics_web_api(f: Funnel) -> ShapeCase:
    ids = np.array(numbered("{:08x}-c0de-ee11-a81c-6045bd", len(f), 1), object)
    form = "%Y-%m-%dT%H:%M:%SZ"
    rows = np.flatnonzero(f.won.notna())
    leads = {
        "leadid": ids,
        "subject": f.pick(("Quote", "Demo", "Question")),
        "createdon": dates(f.created, form),
        "modifiedon": dates(f.closed.fillna(END), form),
        "statecode": np.where(f.won.notna(), 1, np.where(f.lost.notna(), 2, 0)),
        "leadsourcecode": f.rng.integers(1, 6, len(f)),
        "industrycode": f.rng.integers(1, 9, len(f)),
        "numberofemployees": f.size,
        "_ownerid_value": f.owner,
    }
    opportunities = {
        "opportunityid": numbered("{:08x}-0pp0-ee11", len(rows), 5),
        "_originatingleadid_value": ids[rows],
        "createdon": dates(f.won.iloc[rows], form).to_numpy(),
        "estimatedvalue": f.rng.integers(1, 80, len(rows)) * 1000,
        "statecode": f.rng.integers(0, 3, len(rows)),
    }
    acts = f.acts(("phonecall", "email", "appointment"))
    pointers = {
        "activityid": numbered("{:08x}-ac71-ee11", len(acts), 5),
        "_regardingobjectid_value": ids[acts["lead"]],
        "activitytypecode": acts["kind"],
        "createdon": dates(acts["at"], form),
    }
    return ShapeCase(
        {
            "activitypointers.csv": csv(pointers),
            "leads.csv": csv(leads),
            "opportunities.csv": csv(opportunities),
        },
        Truth(
            "leads.csv",
            "leadid",
            "createdon",
            f.winners(ids),
            {
                "leads.csv": "leads",
                "opportunities.csv": "conversion",
                "activitypointers.csv": "events",
            },
            answers={"conversion.at": "createdon"},
        ),
    )


SHAPES = (
    hubspot_contacts,
    hubspot_contacts_and_deals,
    hubspot_deals,
    salesforce_lead_report,
    salesforce_data_loader,
    salesforce_opportunities,
    dynamics_leads,
    dynamics_web_api,
)
