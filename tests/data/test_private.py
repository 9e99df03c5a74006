"""Passwords are hidden wherever an address shows."""

from __future__ import annotations

import pytest

from data.private import mask, password_of, without_password


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("postgresql://ann:s3cret@db/crm", "postgresql://ann:***@db/crm"),
        ("postgresql://db/crm?password=s3cret&x=1", "postgresql://db/crm?password=***&x=1"),
        ("postgresql://db:5432/crm?password=s3@cret", "postgresql://db:5432/crm?password=***"),
        ("postgresql://ann:s3/c@r#t@db/crm", "postgresql://ann:***@db/crm"),
        ("postgresql://ann@db/crm", "postgresql://ann@db/crm"),
        ("host=db password='s3 cret' user=ann", "host=db password=*** user=ann"),
        (", found 'mysql://ann:s3cret@db/crm'", ", found 'mysql://ann:***@db/crm'"),
        ("leads.csv", "leads.csv"),
    ],
)
def test_passwords_are_masked(uri: str, shown: str) -> None:
    assert mask(uri) == shown


def test_a_password_is_taken_out_of_what_a_driver_says() -> None:
    uri = "postgresql://ann:s3cret@db/crm"
    assert password_of(uri) == "s3cret"
    assert (
        without_password(f"{uri}: s3cret is wrong", uri)
        == "postgresql://ann:***@db/crm: *** is wrong"
    )
