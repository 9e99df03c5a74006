"""The environment variables that a project file names -> secrets, which no file holds."""

from __future__ import annotations

import os
from urllib.parse import quote

from data.errors import InputError
from data.private import password_of


def secret(variable: str | None) -> str:
    """Read a credential from the environment variable that the project file names."""
    if not variable:
        raise InputError(
            "is missing", column="write_back.credentials", cure="name an environment variable"
        )
    value = os.environ.get(variable, "")
    if not value:
        raise InputError(
            f"the environment variable {variable} is not set", column="write_back.credentials"
        )
    return value


def user_and_password(variable: str | None) -> tuple[str, str]:
    """Read `user:password` from the environment."""
    user, mark, password = secret(variable).partition(":")
    if not mark:
        raise InputError(
            f"the environment variable {variable} is not of the form user:password",
            column="write_back.credentials",
        )
    return user, password


def with_credentials(url: str, variable: str | None) -> str:
    """Put `user:password` from the environment into a database's address; the file holds none."""
    scheme, mark, rest = url.partition("://")
    if password_of(url) is not None:
        raise InputError(
            "holds a password", column="write_back.url", cure="name an environment variable"
        )
    if not variable:
        return url
    user, password = user_and_password(variable)
    return (
        f"{scheme}{mark}{quote(user, safe='')}:{quote(password, safe='')}@{rest.rpartition('@')[2]}"
    )
