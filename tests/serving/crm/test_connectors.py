"""Every CRM is one folder and one line of a list; opening one imports no other one's client."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from data.errors import InputError
from data.schema_steps import WriteBackSection
from serving.crm.connectors import CONNECTORS, connect, connector_of

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.checkout
def test_every_folder_of_a_crm_is_on_the_list_by_its_own_name() -> None:
    folders = {path.parent.name for path in (ROOT / "serving" / "crm").glob("*/__init__.py")}
    assert folders == {*CONNECTORS, "pull"}  # pull copies the tables of any of them


def test_a_crm_is_pulled_or_says_what_to_do_instead() -> None:
    for each in CONNECTORS.values():
        assert (each.read is None) == bool(each.instead_of_pull), each.name


@pytest.mark.checkout
def test_the_table_of_the_documentation_has_every_crm_and_its_credentials() -> None:
    text = (ROOT / "docs" / "how-to" / "connect-a-crm.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(\w+)`[^|,]*\|[^|]*\|([^|]*)\|", text, re.MULTILINE))
    for each in CONNECTORS.values():
        said = rows[each.name]
        assert ("user:password" in said) == (each.credentials == "login"), each.name
        assert ("token" in said) == (each.credentials == "token"), each.name


def test_an_unknown_crm_is_refused_with_the_list() -> None:
    with pytest.raises(InputError) as caught:
        connector_of(WriteBackSection(crm="sugar"))
    assert str(caught.value).endswith(f"use one of {', '.join(CONNECTORS)}")


@pytest.mark.parametrize("name", [name for name in CONNECTORS if name != "sqlite"])
def test_an_address_that_is_missing_is_asked_for(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"say where {name} is"):
        connect(WriteBackSection(crm=name), tmp_path)


@pytest.mark.checkout
def test_the_embedded_crm_needs_no_client_of_another_one(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from data.schema import WriteBackSection;"
        "from serving.crm.connectors import connect;"
        f"connect(WriteBackSection(), Path({str(tmp_path)!r})).close();"
        "print(sorted({'httpx', 'psycopg', 'pymysql', 'sqlalchemy', 'tenacity',"
        " 'simple_salesforce', 'hubspot'} & {*sys.modules}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
