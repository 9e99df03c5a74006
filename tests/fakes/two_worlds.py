"""Every route asked by a rep, in a world with colleagues' leads and in one without them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
from fastapi.routing import APIRoute

from serving.http.application import Metrics, make_routes
from serving.worklist.view import ReportView
from tests.fakes.live_site import Site, fields, make_site, visit

Told = dict[tuple[str, ...], tuple[int, str, str]]
"""What was asked -> status, body, headers."""


def ask_both_worlds(folder: Path, whole: ReportView) -> tuple[Told, list[tuple[str, ...]]]:
    """Ask all: what was told in the world of all leads, and where the other world says otherwise.

    A colleague's id or name in an answer counts as a difference, too.
    """
    owners = sorted({lead.owner for lead in whole.leads})
    own = owners[0]
    foreign = [lead for lead in whole.leads if lead.owner != own]
    mine = next(lead for lead in whole.leads if lead.owner == own)
    ids = [mine.lead_id, foreign[0].lead_id, foreign[-1].lead_id, "L-99999", "%00", "a%2Fb"]
    queries = [
        "",
        "?page=2",
        "?order=name",
        "?order=value",
        "?band=A",
        "?trend=rising&order=change",
        "?stage=lead",
        f"?owner={quote(own)}",
        f"?owner={quote(owners[1])}",
        "?owner=nobody",
        f"?source={quote(foreign[0].source or '')}",
        "?page=900",
        "?token=x",
        "?lead=" + foreign[0].lead_id,
    ]
    searches = [foreign[0].lead_id, foreign[0].name, owners[1], mine.name, "l-0"]
    told: list[Told] = []
    for site in worlds(folder, whole, own):
        app = make_routes(site.service, Metrics(), 0, site.authenticator)
        routes = [route for route in app.routes if isinstance(route, APIRoute)]
        if not {"/today", "/lead/{lead_id:path}", "/v1/score", "/login"} <= {
            r.path for r in routes
        }:
            raise AssertionError("the table of routes lacks pages that there are")

        async def walk(client: httpx.AsyncClient, routes: list[APIRoute] = routes) -> Told:
            csrf = fields((await client.get("/today")).text)["csrf"]
            seen: Told = {}

            async def ask(*key: str, **sent: Any) -> None:
                method, path, accept, *_ = key
                answer = await client.request(method, path, headers={"accept": accept}, **sent)
                body = settled(answer.text)
                headers = {
                    k: v
                    for k, v in answer.headers.items()
                    if k not in ("set-cookie", "content-length")
                }
                place = re.sub("found=.*", "FOUND", headers.pop("location", ""))
                seen[key] = (answer.status_code, body, f"{headers}{place}")

            for route in routes:
                if route.path in ("/logout", "/metrics"):
                    continue
                for lead_id in ids if "{" in route.path else ids[:1]:
                    path = re.sub(r"\{[^}]*\}", lead_id, route.path)
                    for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
                        for query in queries if method == "GET" else queries[:1]:
                            await ask(method, path + query, "text/html")
                        await ask(method, path, "application/json")
            for lead_id in (each for each in ids if "%" not in each):
                for verdict in ("note", "undo", "nonsense"):
                    data = {
                        "csrf": csrf,
                        "lead": lead_id,
                        "verdict": verdict,
                        "because": "x",
                        "number": "1",
                    }
                    for accept in ("text/html", "application/json"):
                        await ask("POST", "/answers", accept, lead_id, verdict, data=data)
            for words in searches:
                place = (await client.post("/search", data={"words": words})).headers["location"]
                answer = await client.get(place)
                seen["search", words] = (answer.status_code, settled(answer.text), "")
            return seen

        told.append(visit(site, "ann", walk))
    with_all, alone = told
    different = [key for key in with_all | alone if with_all.get(key) != alone.get(key)]
    text = "".join(answer for _, answer, _ in with_all.values())
    if any(f"{lead.lead_id}<" in text for lead in foreign) or owners[2] in text:
        different.append(("a colleague's lead is named",))
    return with_all, different


def settled(html: str) -> str:
    """Take out what differs from session to session: tokens, and searches that are sealed."""
    html = re.sub(r'(name="(?:csrf|token|found)" value=")[^"]*', r"\1-", html)
    return re.sub(r"(found|token)=[^&\"'#]*", r"\1=-", html)


def worlds(folder: Path, whole: ReportView, own: str) -> Iterator[Site]:
    """Make the same site twice: with the leads of all, and with those of one owner alone."""
    kept = tuple(lead for lead in whole.leads if lead.owner == own)
    ids = {lead.lead_id for lead in kept}
    assert whole.movers is not None
    alone = replace(
        whole,
        leads=kept,
        week=replace(
            whole.week,
            calls=tuple(each for each in whole.week.calls if each in ids),
            missed=tuple(each for each in whole.week.missed if each.lead_id in ids),
            owners=tuple(each for each in whole.week.owners if each.owner == own),
        ),
        movers=replace(
            whole.movers,
            rises=tuple(each for each in whole.movers.rises if each.lead_id in ids),
            falls=tuple(each for each in whole.movers.falls if each.lead_id in ids),
        ),
    )
    for name, view in (("all", whole), ("alone", alone)):
        made = make_site(folder / name, view, clock=lambda: 1_800_000_000_000_000)
        made.add("ann", "rep", own)
        yield made
