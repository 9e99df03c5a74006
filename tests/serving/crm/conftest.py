"""Real servers for the tests of connectors: two databases and a CRM."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.fakes import mariadb_server, postgres_cluster, tryton_server


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The address of a temporary PostgreSQL cluster."""
    absent = postgres_cluster.missing()
    if absent:
        pytest.skip(absent)
    with postgres_cluster.cluster() as url:
        yield url


@pytest.fixture(scope="session")
def mariadb() -> Iterator[str]:
    """The address of a temporary MariaDB."""
    absent = mariadb_server.missing()
    if absent:
        pytest.skip(absent)
    with mariadb_server.running() as url:
        yield url


@pytest.fixture(scope="session")
def tryton(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a real Tryton with an empty CRM."""
    absent = tryton_server.missing()
    if absent:
        pytest.skip(absent)
    os.environ["TRYTON_LOGIN"] = f"{tryton_server.USER}:{tryton_server.PASSWORD}"
    with tryton_server.running(tmp_path_factory.mktemp("tryton")) as url:
        yield url
