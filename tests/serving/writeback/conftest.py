"""A CRM that fails on purpose, for the write-back tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fakes import crm_server


@pytest.fixture(scope="session")
def failing_crm() -> Iterator[str]:
    """The address of the CRM that fails on purpose."""
    with crm_server.running() as url:
        yield url
