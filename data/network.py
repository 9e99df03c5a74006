"""A URI -> permission to talk to its hosts, asked before any connection is made.

Drivers read addresses more freely than RFC 3986 does: libpq takes several hosts, and `host=`,
`hostaddr=` and `service=` behind the question mark, and fills in what an address leaves out from
the environment; SQLAlchemy lets a password hold a slash. So an address that two drivers could read
differently is refused, and every host in it is checked.

A name may lead elsewhere a moment after it was judged. So libpq, which resolves names out of
Python's sight, is given the addresses that were judged (`libpq_address`), and whatever connects by
Python's sockets is judged again as it connects (`never_reach_link_local`).
"""

from __future__ import annotations

import errno
import ipaddress
import os
import re
import socket
import sys
from collections.abc import Sequence
from typing import Final, NamedTuple
from urllib.parse import parse_qsl

from data.errors import InputError
from data.private import mask

LOCAL: Final = ("file", "mlflow-artifacts")
"""Schemes that open no connection of their own as long as they name no host."""
_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_URI: Final = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+._-]*)://(?:[^@/?#\\\s]*@)?(?P<hosts>[^@/?#\\\s]+)"
    r"(?P<rest>[/?#][^\x00-\x1f\x7f]*)?"
)
_PLACE: Final = re.compile(r"(?P<host>\[[^\[\]]*\]|[^:\[\]]*)(?::(?P<port>[0-9]{0,5}))?")
_LABEL: Final = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME: Final = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_NUMERIC: Final = re.compile(r"(?:0x[0-9a-f]+|[0-9]+)(?:\.(?:0x[0-9a-f]+|[0-9]+)){0,3}")
_WEB: Final = ("http", "https")
_LIBPQ: Final = ("cockroachdb", "postgres", "postgresql", "redshift")  # whose drivers use libpq
_PORTS: Final = {
    "http": 80,
    "https": 443,
    "postgresql": 5432,
    "postgres": 5432,
    "mysql": 3306,
    "mariadb": 3306,
}
_HARMLESS: Final = re.compile(
    r"(?i)application_name|channel_binding|charset|client_encoding|collation|connect_timeout|driver"
    r"|encrypt|gssencmode|keepalives(_count|_idle|_interval)?|load_balance_hosts|options|passfile"
    r"|password|(read|write)_timeout|require_auth|ssl(_ca|_cert|_check_hostname|_disabled|_key|_mode)"
    r"|ssl_verify_(cert|identity)|ssl(cert|crl|key|mode|negotiation|password|rootcert)"
    r"|target_session_attrs|tcp_user_timeout|timeout|trustservercertificate|use_unicode|user"
)
"""Parameters of a database's address that never change where a driver connects to."""
_HOLD_IPV4: Final = tuple(map(ipaddress.IPv6Network, ("64:ff9b::/96", "::/96")))
"""Networks whose last four bytes are an address of IPv4, to which a gateway leads."""
_METADATA: Final = ipaddress.IPv6Network("fd00:ec2::/32")
"""Where a cloud keeps what 169.254.169.254 holds, for IPv6."""
_hooked: Final[list[bool]] = []


class Host(NamedTuple):
    """A host in normal form, and its port; None where any port will do or the port is not known."""

    name: str
    port: int | None

    def __str__(self) -> str:
        name = f"[{self.name}]" if ":" in self.name and self.port is not None else self.name
        return name if self.port is None else f"{name}:{self.port}"


def scheme_of(uri: str) -> str:
    """Name the scheme of a URI in lower case, "" for a plain path (a drive letter is no scheme)."""
    match = _SCHEME.match(uri)
    return match[1].lower() if match and len(match[1]) > 1 else ""


def hosts_of(uri: str) -> list[Host]:
    """List every host that a URI leads to; InputError where that cannot be told for certain.

    >>> [str(host) for host in hosts_of("postgresql://DB-1:5433,[::1]/crm?sslmode=require")]
    ['db-1:5433', '[::1]:5432']
    """
    match = _URI.fullmatch(uri)
    if match is None:
        raise InputError(
            f"names no host: {mask(uri)!r}",
            cure="write scheme://host:port/path, @ in a name as %40",
        )
    scheme = match["scheme"].lower()
    database = scheme.partition("+")[0]
    if scheme not in _WEB:
        _refuse_other_hosts(match["rest"] or "")
    usual_port, hosts = _PORTS.get(database), []
    if database in _LIBPQ:
        _refuse_other_hosts_of_libpq()
        usual_port = None if os.environ.get("PGPORT") else usual_port
    for text in match["hosts"].split(","):
        host = _host(text, usual_port)
        if host is None:
            raise InputError(
                f"names an invalid host: {mask(uri)!r}",
                cure="write a name in ASCII (xn--…) or an address, [::1] for IPv6, and its port",
            )
        hosts.append(host)
    return hosts


def require_named(uri: str, allow: Sequence[str]) -> list[Host]:
    """List the hosts of a URI if [network] allow names all, as host or host:port; InputError else.

    Link-local addresses (cloud metadata services) are refused even when named. Nothing is asked
    of the network.
    """
    named, hosts = {_entry(text) for text in allow}, hosts_of(uri)
    for host in hosts:
        if _is_link_local(host.name):
            raise InputError(f"host {host.name} is link-local and never reached")
        if not named & {host, host._replace(port=None)}:
            others = any(each is not None and each.name == host.name for each in named)
            shown = str(host if others else host._replace(port=None))
            raise InputError(
                f"host {shown!r} is not allowed, so no connection was made",
                cure=f'add it to the project file: [network] allow = ["{shown}"]',
            )
    return hosts


def libpq_address(uri: str) -> dict[str, str]:
    """Resolve the hosts of a URI once: what libpq is to connect to, as `psycopg.connect` takes it.

    InputError where a host is link-local; OSError where none resolves.
    """
    places: list[tuple[str, str, str]] = []
    failure: OSError | None = None
    for host in hosts_of(uri):
        try:
            infos = socket.getaddrinfo(host.name, host.port, type=socket.SOCK_STREAM)
        except OSError as error:
            failure = error
            continue
        addresses = dict.fromkeys(str(info[4][0]) for info in infos)
        if any(_is_link_local(address.partition("%")[0]) for address in addresses):
            raise InputError(f"host {host.name} is link-local and never reached")
        places += [(host.name, each, str(host.port or "")) for each in addresses]
    if not places and failure is not None:
        raise failure
    names, addresses_, ports = zip(*places, strict=True)
    return {"host": ",".join(names), "hostaddr": ",".join(addresses_), "port": ",".join(ports)}


def never_reach_link_local() -> None:
    """Let this process connect to no link-local address from here on, whichever library asks.

    They hold a cloud's metadata and its credentials. For a process of our own: nothing takes it
    back.
    """
    if not _hooked:
        _hooked.append(True)
        sys.addaudithook(_judge_connection)


def _judge_connection(event: str, arguments: tuple[object, ...]) -> None:
    if event != "socket.connect":
        return
    address = arguments[1]
    if isinstance(address, tuple) and address and _leads_link_local(str(address[0])):
        raise ConnectionRefusedError(
            errno.ECONNREFUSED, f"{address[0]} is link-local and never reached"
        )


def _leads_link_local(name: str) -> bool:
    """Judge an address; a name by all addresses that it leads to."""
    try:
        ipaddress.ip_address(name.partition("%")[0])
        addresses = [name]
    except ValueError:
        try:
            addresses = [str(info[4][0]) for info in socket.getaddrinfo(name, None)]
        except (OSError, UnicodeError):
            return False
    return any(_is_link_local(address.partition("%")[0]) for address in addresses)


def require_allowed(uri: str, allow: Sequence[str]) -> str:
    """Give back a URI that `require_named` lets pass and whose names lead to no link-local host."""
    for host in require_named(uri, allow):
        try:
            addresses = {str(info[4][0]) for info in socket.getaddrinfo(host.name, None)}
        except OSError:
            continue  # it does not resolve: the connection will say so
        if any(_is_link_local(address.partition("%")[0]) for address in addresses):
            raise InputError(f"host {host.name} is link-local and never reached")
    return uri


def require_reachable(uri: str, allow: Sequence[str]) -> None:
    """Let a file or a local database pass; every other store must name an allowed host or bucket.

    InputError else, before any connection. `mlflow-artifacts:/…` is the tracking server's own.
    """
    if uri == "databricks":
        uri = "databricks://databricks"
    elif not re.search(r"://[^/]", uri) and scheme_of(uri).partition("+")[0] in (
        "",
        "sqlite",
        *LOCAL,
    ):
        return
    require_named(uri, allow)


def _host(text: str, usual_port: int | None) -> Host | None:
    """Read `host`, `host:port` or `[address]:port`; None where it is neither."""
    match = _PLACE.fullmatch(text)
    name = _normal_form(match["host"]) if match else None
    if match is None or name is None:
        return None
    port = int(match["port"]) if match["port"] else usual_port
    return None if port is not None and port > 65_535 else Host(name, port)


def _entry(text: str) -> Host | None:
    """Read an entry of the allow-list; an IPv6 address needs no brackets there."""
    text = text.strip()
    return _host(f"[{text}]" if text.count(":") > 1 and "[" not in text else text, None)


def _normal_form(text: str) -> str | None:
    """Bring a host to small letters and an address to its usual form; None where it is no host.

    >>> [_normal_form(text) for text in ("CRM.example.com.", "0x7f.1", "[0:0::1]", "a..b")]
    ['crm.example.com', '127.0.0.1', '::1', None]
    """
    name = text.lower().removesuffix(".")
    try:
        if name.startswith("["):
            address = ipaddress.IPv6Address(name[1:-1])
            return None if address.scope_id else str(address.ipv4_mapped or address)
        if _NUMERIC.fullmatch(name):  # as resolvers read it: 2130706433 is 127.0.0.1
            return socket.inet_ntoa(socket.inet_aton(name))
    except (ValueError, OSError):
        return None
    return name if text.isascii() and len(name) <= 253 and _NAME.fullmatch(name) else None


def _is_link_local(name: str) -> bool:
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address):
        within = address.ipv4_mapped or address.sixtofour
        if within is None and any(address in network for network in _HOLD_IPV4):
            within = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        return (
            address.is_link_local or address in _METADATA or bool(within and within.is_link_local)
        )
    return address.is_link_local


def _refuse_other_hosts(rest: str) -> None:
    """Refuse what may lead a driver to another host than those before the path."""
    if "@" in rest or "#" in rest:
        raise InputError(
            "holds @ or # behind the host, so no connection was made",
            cure="write them as %40 and %23",
        )
    for name, value in parse_qsl(rest.partition("?")[2], keep_blank_values=True):
        if not _HARMLESS.fullmatch(name) or set(value) & set(";{}"):
            raise InputError(
                f"the parameter {name[:40]!r} may lead to another host, so no connection was made",
                cure="leave it out, and name every host before the path: scheme://host:port/database",
            )


def _refuse_other_hosts_of_libpq() -> None:
    """Refuse an environment that may lead libpq to another host than its address names."""
    for name in ("PGHOSTADDR", "PGSERVICE"):
        if os.environ.get(name):
            raise InputError(
                f"{name} in the environment may lead to another host, so no connection was made",
                cure="unset it, and name every host before the path: scheme://host:port/database",
            )
