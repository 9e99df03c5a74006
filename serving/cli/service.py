"""The verbs of whoever operates leadscore: serve, forget."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from serving.cli import screen
from serving.cli.options import Model, ProjectFile, StateFolder, Tracking

if TYPE_CHECKING:
    from data.reading.read_tables import CrmData


def add_to(app: typer.Typer) -> None:
    """Add the verbs to the console command, in the order of the help."""
    app.command()(serve)
    app.command()(forget)


def serve(
    file: ProjectFile,
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="Port.")] = 8000,
    new_key: Annotated[
        str | None, typer.Option("--new-key", help="Make an API key of this name, show it, stop.")
    ] = None,
    revoke_key: Annotated[
        str | None,
        typer.Option("--revoke-key", help="Take the API key of this name away, at once, stop."),
    ] = None,
    store: Annotated[
        bool, typer.Option("--store/--no-store", help="Hold the project's leads, to score by id.")
    ] = True,
    follow: Annotated[
        float, typer.Option("--follow", help="Look for a promotion every so many seconds.")
    ] = 30.0,
    requests_per_second: Annotated[
        float, typer.Option("--requests-per-second", min=0.1, help="Of one key.")
    ] = 50.0,
    model: Model = "champion",
    state: StateFolder = None,
    tracking: Tracking = None,
) -> None:
    """Score and explain leads over HTTP, behind API keys; pages for people who sign in.

    Example: leadscore serve acme.toml --new-key website, then leadscore serve acme.toml
    """
    from data.errors import InputError
    from serving.cli.clock import now
    from serving.http.application import create_app
    from serving.http.guard import Limits
    from serving.http.keys import KeyFile, read_keys
    from serving.http.keys import new_key as make_key
    from serving.http.keys import revoke_key as revoke
    from serving.http.score_requests import Service
    from serving.http.server import serve as run
    from serving.people.authenticator import Authenticator
    from serving.people.people_store import list_users
    from serving.session import open_session
    from training.state_format import make_folder

    session = open_session(file, state=state, tracking=tracking, threads=1)
    keys = session.state.folder / "api_keys.json"
    if new_key is not None:
        make_folder(session.state)
        screen.say(f"{make_key(keys, new_key)}")
        return
    if revoke_key is not None:
        revoke(keys, revoke_key)
        screen.say(f"the key {revoke_key} opens nothing any more")
        return
    if not (read_keys(keys) or list_users(session.state.people)):
        raise InputError(
            "there is neither an API key nor a user yet",
            file=str(keys),
            cure=f"leadscore serve {file} --new-key NAME, or leadscore people add {file} NAME",
        )
    authenticator = Authenticator(session.project, session.state, now)
    service = Service(session.project, session.registry, model, state=session.state, clock=now)
    service.load()
    if store:

        def read() -> CrmData:
            return session.read(kinds=service.current().kinds)

        service.hold(read(), read)
    limits = Limits(requests_per_second=requests_per_second, burst=int(2 * requests_per_second) + 1)
    app = create_app(
        service, KeyFile(keys), limits, reload_seconds=follow, authenticator=authenticator
    )
    says = f"listening on http://{host}:{port}, model version {service.current().version}"
    run(app, host=host, port=port, on_listening=partial(screen.say, says))


def forget(
    file: ProjectFile,
    lead: Annotated[str, typer.Argument(metavar="LEAD", help="The id of a lead.")],
    pulled: Annotated[
        list[Path] | None,
        typer.Option("--pulled", help="Folder of a `pull --out`; again for further ones."),
    ] = None,
    state: StateFolder = None,
) -> None:
    """Erase a lead from scores, answers, ledger, reports and pulled files; say what was there.

    Example: leadscore forget acme.toml L0000042
    """
    from data.errors import InputError
    from serving.crm.pull.pull_project import home_of, load_for_pull
    from serving.crm.pull.spool import LOCK
    from serving.forget import NOT_OF_A_LEAD, forget_lead, forget_pulled
    from serving.writeback.ledger_place import ledger_place
    from training.state import StatePaths
    from training.state_format import bring_up_to_date

    project = load_for_pull(file)
    paths = StatePaths.of(project, state)
    bring_up_to_date(paths)
    home = home_of(project)
    for given in pulled or []:
        if not (given / LOCK).is_file():
            raise InputError(
                "was never pulled into", file=str(given), cure="give a folder of a `pull --out`"
            )
    out = project.night.out
    reports = [] if out is None else [Path(project.folder) / out]
    ledger = ledger_place(project, paths.folder)
    erased = forget_lead(paths, lead, reports=reports, ledger=ledger)
    screen.say(", ".join(f"{name}: {count}" for name, count in erased.items()))
    found = sum(count for name, count in erased.items() if name not in NOT_OF_A_LEAD)
    for folder in dict.fromkeys([*([home] if home else []), *(pulled or [])]):
        for name, count in forget_pulled(folder, lead).items():
            screen.say(f"{folder / name}: {count}")
            found += count
    if not found:
        screen.say(f"nothing of a lead {lead!r} was kept: is that how its id is written?")
    screen.say(
        "the CRM and other sources are yours: erase the lead there too, then retrain; "
        "as long as the CRM has it, a pull may bring it back, and says so"
    )
