"""`leadscore people`: who may open the pages, what each has looked at."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from serving.cli import screen
from serving.cli.options import Json, Language, ProjectFile, StateFolder

if TYPE_CHECKING:
    from data.schema import Project
    from serving.people.people_store import User

app = typer.Typer(
    help="Who may open the pages of `serve`: add, list, remove, revoke, audit.",
    no_args_is_help=True,
)
Name = Annotated[str, typer.Argument(metavar="NAME", help="The name of a user.")]


@app.command()
def add(
    file: ProjectFile,
    name: Name,
    role: Annotated[
        str,
        typer.Option(
            "--role",
            help="manager: all leads; lead: those of a team; rep: the own ones; reader: all, "
            "without writing.",
        ),
    ],
    owner: Annotated[
        list[str] | None,
        typer.Option("--owner", help="Whose leads are seen, as in the data; again for another."),
    ] = None,
    team: Annotated[
        list[str] | None,
        typer.Option("--team", help="The team that is led, as in the data; again for another."),
    ] = None,
    language: Language = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Change a user who is there; sessions end.")
    ] = False,
    state: StateFolder = None,
) -> None:
    """Add a user; the password is asked for, or read from standard input.

    Where a proxy or a provider signs people in, there is no password: NAME is what they call them.

    Example: leadscore people add acme.toml anna --role rep --owner "Anna Rossi"
    """
    import dataclasses
    import secrets
    from typing import cast

    from data.project import load_project
    from serving.cli.clock import now
    from serving.people.people_store import User, add_user, check_user, store_teams
    from serving.people.viewer import Role
    from serving.worklist.language import refuse_unknown
    from training.state import StatePaths
    from training.state_format import bring_up_to_date

    project = load_project(file)
    paths = StatePaths.of(project, state)
    people = paths.people
    bring_up_to_date(paths)
    spoken = language or project.report.languages[0]
    refuse_unknown([spoken])
    user = User(
        name,
        cast(Role, role),
        tuple(owner or ()),
        tuple(team or ()),
        spoken,
        None,
        secrets.token_bytes(32),
        now(),
    )
    check_user(people, user, replacing=replace)  # before anybody types a password
    pairs = _owners(project, user)
    if project.people.sign_in == "local":
        user = dataclasses.replace(user, password=_new_password(name))
    add_user(people, user, replacing=replace)
    if project.leads.team and pairs:  # none are read for one who sees all leads
        store_teams(people, pairs)
    screen.say(f"{name} may sign in as {role}")
    screen.say_next(f"leadscore serve {file}", state=state)


def _new_password(name: str) -> str:
    """Ask for a password twice on a terminal, else read one line of standard input; hash it."""
    from data.errors import InputError

    try:
        from serving.people.passwords import hash_password
    except ModuleNotFoundError:
        raise InputError(
            "passwords need the package argon2-cffi", cure="pip install 'leadscore[serve]'"
        ) from None
    if sys.stdin.isatty():
        given = str(typer.prompt("password", hide_input=True, confirmation_prompt=True, err=True))
    else:
        given = sys.stdin.readline().rstrip("\r\n")
    if not given:
        raise InputError("no password came on standard input", cure="write it there, in one line")
    return hash_password(given, name)


def _owners(project: Project, user: User) -> list[tuple[str, str]]:
    """Read the owners of the data, and say which of the user's names none of them has."""
    import difflib

    from data.errors import InputError
    from data.reading.read_tables import read_owners

    if not (user.owners or user.teams):
        return []
    for kind, names in (("owner", user.owners), ("team", user.teams)):
        if names and getattr(project.leads, kind) is None:
            raise InputError(
                f"the project file names no column with the {kind} of a lead",
                cure=f'[leads] {kind} = "the column"',
            )
    pairs = read_owners(project, {})
    known = {"owner": {owner for _, owner in pairs}, "team": {team for team, _ in pairs if team}}
    for kind, names in (("owner", user.owners), ("team", user.teams)):
        for each in names:
            if each not in known[kind]:
                near = difflib.get_close_matches(each, known[kind], 1, cutoff=0.5)
                meant = f"; did you mean {near[0]!r}?" if near else ""
                screen.note(f"no lead has the {kind} {each!r} yet{meant}")
    return pairs


@app.command("list")
def list_(file: ProjectFile, state: StateFolder = None, as_json: Json = False) -> None:
    """List the users: role, whose leads each sees, open sessions.

    Example: leadscore people list acme.toml
    """
    from data.project import load_project
    from serving.cli.clock import now
    from serving.people.people_store import count_sessions, list_users
    from training.state import StatePaths

    people = StatePaths.of(load_project(file), state).people
    users = list_users(people)
    open_now = count_sessions(people, now()) if users else {}
    if as_json:
        rows = [
            {
                "name": user.name,
                "role": user.role,
                "owners": user.owners,
                "teams": user.teams,
                "language": user.language,
                "sessions": open_now.get(user.name, 0),
            }
            for user in users
        ]
        screen.say_json({"users": rows})
        return
    if not users:
        screen.say("there are no users yet")
        screen.say_next(f"leadscore people add {file} NAME --role manager", state=state)
        return
    screen.table(
        "Who may open the pages",
        ("name", "role", "sees the leads of", "language", "sessions"),
        [
            (
                user.name,
                user.role,
                ", ".join([*user.owners, *(f"team {team}" for team in user.teams)]) or "all",
                user.language,
                open_now.get(user.name, 0),
            )
            for user in users
        ],
    )


@app.command()
def remove(file: ProjectFile, name: Name, state: StateFolder = None) -> None:
    """Take a user away; whatever is open ends at once.

    Example: leadscore people remove acme.toml anna
    """
    from data.project import load_project
    from serving.people.people_store import remove_user
    from training.state import StatePaths

    remove_user(StatePaths.of(load_project(file), state).people, name)
    screen.say(f"{name} may not sign in any more")


@app.command()
def revoke(file: ProjectFile, name: Name, state: StateFolder = None) -> None:
    """End all sessions and card tokens of a user, at once; the user may sign in again.

    Example: leadscore people revoke acme.toml anna
    """
    from data.project import load_project
    from serving.people.people_store import revoke_user
    from training.state import StatePaths

    count = revoke_user(StatePaths.of(load_project(file), state).people, name)
    screen.say(f"{count} {'session' if count == 1 else 'sessions'} of {name} ended")


@app.command()
def audit(
    file: ProjectFile,
    user: Annotated[str | None, typer.Option("--user", help="Of this user alone.")] = None,
    lead: Annotated[str | None, typer.Option("--lead", help="About this lead alone.")] = None,
    state: StateFolder = None,
    as_json: Json = False,
) -> None:
    """List what users did in the last 90 days; leads stand there as keyed hashes.

    Example: leadscore people audit acme.toml --lead L0000042
    """
    from data.clock import show
    from data.project import load_project
    from serving.cli.clock import now
    from serving.people.lead_audit import list_acts
    from training.state import StatePaths

    people = StatePaths.of(load_project(file), state).people
    acts = list_acts(people, at=now(), user=user, lead_id=lead)
    if as_json:
        rows = [
            {"at": show(act.at), "user": act.user, "action": act.action, "lead": act.lead}
            for act in acts
        ]
        screen.say_json({"acts": rows})
        return
    screen.table(
        "What users did",
        ("at", "user", "action", "lead"),
        [(show(act.at), act.user, act.action, (act.lead or "")[:12]) for act in acts],
    )
