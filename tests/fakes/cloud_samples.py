"""A small CRM of each kind, with the odd cases its documents tell of: deleted, merged, undated.

Salesforce: conversions by history and by day, tasks of contacts, archived and open ones. HubSpot:
contacts with property history, engagements of two contacts and of none. Dataverse: activities moved
to an opportunity, audited changes.
"""

from __future__ import annotations

from typing import Any

from tests.fakes.cloud_dataverse import Dataverse
from tests.fakes.cloud_hubspot import HubSpot
from tests.fakes.cloud_salesforce import Salesforce


def sf(day: str, clock: str = "09:00:00") -> str:
    return f"{day}T{clock}.000+0000"


def sf_lead(number: int, created: str, **more: Any) -> dict[str, Any]:
    made = {"CreatedDate": sf(created), "SystemModstamp": sf(created), "IsDeleted": False}
    return {
        "Id": f"00Q{number:012d}AAA",
        "Company": f"Company {number}",
        "Status": "Working",
        "OwnerId": "005A",
        "Budget__c": "known",
        "score__c": 12.0,
        "IsConverted": False,
        **made,
        **more,
    }


def sf_task(number: int, who: str, **more: Any) -> dict[str, Any]:
    return {
        "Id": f"00T{number:012d}AAA",
        "WhoId": who,
        "ActivityDate": "2026-02-03",
        "IsClosed": True,
        "CreatedDate": sf("2026-02-03"),
        "CompletedDateTime": sf("2026-02-04"),
        "SystemModstamp": sf("2026-02-04"),
        "TaskSubtype": "Call",
        "CallType": "Outbound",
        **more,
    }


def salesforce() -> Salesforce:
    leads = [sf_lead(number, f"2026-01-{number:02d}") for number in range(1, 8)]
    leads[0] |= {
        "IsConverted": True,
        "ConvertedDate": "2026-03-01",
        "ConvertedContactId": "003A",
        "ConvertedOpportunityId": "006A",
        "SystemModstamp": sf("2026-03-01"),
    }
    leads[1] |= {
        "IsConverted": True,
        "ConvertedDate": "2024-03-01",
        "CreatedDate": sf("2024-01-01"),
        "ConvertedContactId": "003B",
        "SystemModstamp": sf("2024-03-01"),
    }
    leads[2] |= {"IsDeleted": True, "SystemModstamp": sf("2026-04-01")}
    leads[3] |= {"IsDeleted": True, "SystemModstamp": sf("2026-04-02")}
    leads[3]["MasterRecordId"] = leads[4]["Id"]
    history = [
        {"Field": "Status", "OldValue": "Open", "NewValue": "Working - Contacted"},
        {"Field": "Owner", "OldValue": "005B", "NewValue": "005A", "DataType": "EntityId"},
        {"Field": "Owner", "OldValue": "Bea", "NewValue": "Ada", "DataType": "Text"},
        {"Field": "Budget__c", "OldValue": None, "NewValue": "known"},
        {"Field": "leadConverted", "OldValue": None, "NewValue": None},
        {"Field": "created", "OldValue": None, "NewValue": None},
    ]
    for number, row in enumerate(history):
        lead = {"Id": f"017{number:012d}AAA", "LeadId": leads[0]["Id"], "IsDeleted": False}
        row |= {**lead, "CreatedDate": sf("2026-03-01", f"15:0{number}:00")}
    tasks = [
        sf_task(1, "003A"),  # was the lead's before it converted
        sf_task(2, leads[4]["Id"], IsArchived=True),
        sf_task(3, leads[4]["Id"], IsClosed=False),  # a plan
        sf_task(4, "003Z"),  # of a contact that never was a lead
        sf_task(5, leads[4]["Id"], ActivityDate=None, TaskSubtype="Email", CallType=None),
    ]
    events = [
        {
            "Id": "00U1",
            "WhoId": leads[5]["Id"],
            "ActivityDateTime": sf("2026-02-10", "14:00:00"),
            "CreatedDate": sf("2026-02-01"),
            "SystemModstamp": sf("2026-02-01"),
        }
    ]
    tables = {"Lead": leads, "LeadHistory": history, "Task": tasks, "Event": events}
    return Salesforce(tables=tables, page=2, stumbles=4)


def hs(day: str, clock: str = "09:00:00") -> str:
    return f"{day}T{clock}.000+00:00"


def hubspot(contacts: int = 5) -> HubSpot:
    people = [
        {
            "id": str(number),
            "properties": {
                "email": f"a{number}@example.com",
                "createdate": hs("2026-01-02"),
                "lastmodifieddate": hs("2026-01-05"),
                "plan_size": "12",
                "at": "the fair",
                "score": "40",
                "source": "fair",
                "hs_analytics_source": "ORGANIC_SEARCH",
                "lifecyclestage": "lead",
            },
            "history": {"lifecyclestage": [("lead", hs("2026-01-02"))]},
        }
        for number in range(1, contacts + 1)
    ]
    people[0]["history"] = {
        "lifecyclestage": [("lead", hs("2026-01-02")), ("opportunity", hs("2026-03-01"))],
        "plan_size": [("3", hs("2026-01-02")), ("12", hs("2026-01-04"))],
    }
    people[0]["properties"]["hs_calculated_merged_vids"] = "1:1767600000000;77:1772000000000"  # type: ignore[index]
    people[4]["archivedAt"] = hs("2026-05-01")

    def engagement(number: int, contact_ids: list[str], **more: str) -> dict[str, Any]:
        made = {
            "hs_timestamp": hs("2026-02-01"),
            "hs_createdate": hs("2026-02-02"),
            "hs_lastmodifieddate": hs("2026-02-03"),
        }
        return {"id": str(number), "properties": {**made, **more}, "contacts": contact_ids}

    return HubSpot(
        page=2,
        stumbles=5,
        tables={
            "contacts": people,
            "calls": [
                engagement(10, ["1", "2"], hs_call_direction="INBOUND"),
                engagement(11, ["3"]),
                engagement(12, []),
            ],
            "emails": [engagement(20, ["1"], hs_email_direction="EMAIL")],
            "meetings": [engagement(30, ["2"], hs_meeting_outcome="NO_SHOW")],
            "notes": [engagement(40, ["2"])],
            "tasks": [
                engagement(50, ["2"], hs_task_status="COMPLETED"),
                engagement(51, ["2"], hs_task_status="NOT_STARTED"),
            ],
        },
    )


def guid(kind: int, number: int) -> str:
    return f"{kind:08d}-0000-0000-0000-{number:012d}"


def dv(day: str, clock: str = "09:00:00") -> str:
    return f"{day}T{clock}Z"


def dataverse() -> Dataverse:
    leads = [
        {
            "leadid": guid(1, n),
            "companyname": f"Company {n}",
            "statecode": 0,
            "new_budget": "known",
            "leadscore_score": 5,
            "address1_city": "Rome",
            "_ownerid_value": guid(9, 1),
            "createdon": dv("2026-01-02", f"09:0{n}:00"),
            "modifiedon": dv("2026-01-05"),
        }
        for n in range(1, 6)
    ]
    leads[0] |= {"statecode": 1, "modifiedon": dv("2026-03-01")}
    opportunity = {"opportunityid": guid(2, 1), "_originatingleadid_value": guid(1, 1)}

    def activity(number: int, lead: int | None, **more: Any) -> dict[str, Any]:
        return {
            "activityid": guid(3, number),
            "activitytypecode": "phonecall",
            "statecode": 1,
            "createdon": dv("2026-02-02"),
            "modifiedon": dv("2026-02-03"),
            "actualend": dv("2026-02-01"),
            "_regardingobjectid_value": guid(1, 1),
            "regardingobjectid_lead": None if lead is None else {"leadid": guid(1, lead)},
            **more,
        }

    def audit(number: int, operation: int, old: Any, new: Any) -> dict[str, Any]:
        return {
            "auditid": guid(4, number),
            "objecttypecode": "lead",
            "operation": operation,
            "createdon": dv("2026-03-01", f"15:0{number}:00"),
            "_objectid_value": guid(1, 1),
            "old": old,
            "new": new,
        }

    return Dataverse(
        page=2,
        stumbles=5,
        tables={
            "leads": leads,
            "opportunities": [
                {
                    **opportunity,
                    "createdon": dv("2026-03-01", "15:02:00"),
                    "modifiedon": dv("2026-03-02"),
                },
                {
                    "opportunityid": guid(2, 2),
                    "_originatingleadid_value": None,
                    "createdon": dv("2026-03-01"),
                    "modifiedon": dv("2026-03-02"),
                },
            ],
            "activitypointers": [
                activity(1, 2),
                activity(2, None, regardingobjectid_opportunity=opportunity),  # it was moved there
                activity(3, None),
                activity(4, 2, statecode=0),
                activity(5, 3, activitytypecode="email", actualend=None),
            ],
            "audits": [
                audit(1, 2, {"statecode": 0, "@odata.type": "#lead"}, {"statecode": 1}),
                audit(2, 2, {"new_budget": None}, {"new_budget": "known", "leadscore_score": 5}),
                {**audit(3, 3, {}, {}), "_objectid_value": guid(1, 9)},
            ],
        },
    )
