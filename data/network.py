"""A URI -> permission to talk to its host, asked before any connection is made."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from urllib.parse import urlsplit, urlunsplit

from data.errors import InputError

LOCAL = ("file", "mlflow-artifacts")
"""Schemes that reach nobody new as long as they name no host."""
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")


def scheme_of(uri: str) -> str:
    """Name the scheme of a URI in lower case, "" for a plain path (a drive letter is no scheme)."""
    found = _SCHEME.match(uri)
    return found[1].lower() if found and len(found[1]) > 1 else ""


def mask(uri: str) -> str:
    """Hide the password of a URI.

    >>> mask("postgresql://ann:secret@db/crm")
    'postgresql://ann:***@db/crm'
    """
    try:
        parts = urlsplit(uri)
        hidden = parts.password is not None
    except ValueError:
        return re.sub(r"//[^@/]*@", "//***@", uri)
    query = re.sub(r"(?i)((?:password|token|key|secret)=)[^&]*", r"\1***", parts.query)
    netloc = parts.netloc
    if hidden:
        netloc = f"{parts.username or ''}:***@{netloc.rpartition('@')[2]}"
    elif not netloc:
        return uri
    return urlunsplit(parts._replace(netloc=netloc, query=query))


def require_allowed(uri: str, allow: Sequence[str]) -> str:
    """Return the host of `uri`; InputError unless [network] allow names it (host or host:port).

    Link-local addresses (cloud metadata services) are refused even when named.
    """
    try:
        parts = urlsplit(uri)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise InputError(f"is no URI: {mask(uri)!r}: {error}") from None
    if not host:
        raise InputError(f"names no host: {mask(uri)!r}", cure="write scheme://host/path")
    if _link_local(host):
        raise InputError(f"host {host} is link-local and never reached")
    names = {name.strip().lower() for name in allow}
    if host.lower() in names or f"{host.lower()}:{port}" in names:
        return host
    raise InputError(
        f"host {host!r} is not allowed, so no connection was made",
        cure=f'add it to the project file: [network] allow = ["{host}"]',
    )


def require_reachable(uri: str, allow: Sequence[str]) -> None:
    """Let a file or a local database pass; every other store must name an allowed host or bucket.

    InputError else, before any connection. `mlflow-artifacts:/…` is the tracking server's own.
    """
    scheme = scheme_of(uri).partition("+")[0]
    if uri == "databricks":
        uri = "databricks://databricks"
    elif scheme in ("", "sqlite") or (scheme in LOCAL and not urlsplit(uri).netloc):
        return
    require_allowed(uri, allow)


def _link_local(host: str) -> bool:
    """Tell whether a literal address is link-local, IPv4 in any spelling."""
    try:
        address = ipaddress.ip_address(
            int(host, 0) if re.fullmatch(r"0x[0-9a-f]+|\d+", host) else host
        )
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None) or address
    return bool(mapped.is_link_local)
