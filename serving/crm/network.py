"""Addresses that may be reached, and the secrets that open them."""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Sequence
from urllib.parse import quote, urlsplit

from data.errors import InputError


def allowed(url: str, allow: Sequence[str]) -> str:
    """Give back the address if its host is named in `[network] allow`; refuse before connecting."""
    host = urlsplit(url).hostname
    if not host:
        raise InputError(f"is no address: {masked(url)!r}", column="write_back.url")
    if host not in allow:
        raise InputError(
            f"the host {host!r} is not allowed",
            column="network.allow",
            cure=f'add it: allow = ["{host}"]',
        )
    if _is_link_local(host):
        raise InputError(f"the host {host!r} is link-local", column="write_back.url")
    return url


def masked(url: str) -> str:
    """Hide user and password of an address.

    >>> masked("postgresql://me:secret@db/crm")
    'postgresql://***@db/crm'
    """
    scheme, mark, rest = url.partition("://")
    return f"{scheme}://***@{rest.rpartition('@')[2]}" if mark and "@" in rest else url


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
    if "@" in rest.partition("/")[0] and ":" in rest.partition("@")[0]:
        raise InputError(
            "holds a password", column="write_back.url", cure="name an environment variable"
        )
    if not variable:
        return url
    user, password = user_and_password(variable)
    return (
        f"{scheme}{mark}{quote(user, safe='')}:{quote(password, safe='')}@{rest.rpartition('@')[2]}"
    )


def _is_link_local(host: str) -> bool:
    """Tell whether a host is, or resolves to, 169.254/16 or fe80::/10 (cloud metadata services)."""
    try:
        found = {info[4][0] for info in socket.getaddrinfo(host, None)}
    except OSError:
        return False  # it does not resolve: the connection will say so
    return any(ipaddress.ip_address(str(each).partition("%")[0]).is_link_local for each in found)
