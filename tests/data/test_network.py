"""One allow-list: a host that the project file does not name is not reached, however written."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
import sqlalchemy
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg import ProgrammingError, conninfo, pq

from data.errors import InputError
from data.network import hosts_of, libpq_address, require_allowed, require_named, require_reachable
from data.schema_steps import WriteBackSection
from serving.crm.connectors import connect

FINE = [
    ("postgresql://db/crm", "db"),
    ("postgresql://db:5432/crm", "db:5432"),
    ("postgresql://db/crm", "db:5432"),  # the scheme's own port
    ("postgresql://db:5433/crm", "db"),  # an entry without a port allows every port
    ("https://crm.example.com:8443/api", "crm.example.com:8443"),
    ("https://crm.example.com/api", "crm.example.com:443"),
    ("https://ann:x%40y@crm.example.com/api?next=http://evil.example/", "crm.example.com"),
    ("postgresql://DB/crm", " db "),
    ("postgresql://db/crm", "DB"),
    ("https://crm.example.com./", "crm.example.com"),
    ("https://crm.example.com/", "crm.example.com."),
    ("https://xn--strae-oqa.example/", "xn--strae-oqa.example"),
    ("http://[::1]:8080/", "::1"),
    ("http://[::1]:8080/", "[::1]"),
    ("http://[::1]:8080/", "[::1]:8080"),
    ("http://[0:0:0::1]/", "::1"),
    ("http://[::ffff:127.0.0.1]/", "127.0.0.1"),
    ("http://2130706433/", "127.0.0.1"),
    ("http://0x7f.1/", "127.0.0.1"),
    ("postgresql://ann:x@db/crm?sslmode=require&connect_timeout=3&options=-c%20x%3D1", "db"),
    ("mysql+pymysql://db/crm?charset=utf8mb4&ssl_ca=/etc/ca.pem", "db"),
    ("mysql+pymysql://my_db/crm", "my_db"),
    ("s3://models/1", "models"),
]
REFUSED = [
    ("https://evil.example/", "crm.example.com"),
    ("postgresql://db:5433/crm", "db:5432"),
    ("https://crm.example.com/", "crm.example.com:8443"),
    ("https://crm.example.com.evil.org/", "crm.example.com"),
    ("https://crm.example.com@evil.org/", "crm.example.com"),
    ("https://evil.org\\@crm.example.com/", "crm.example.com"),
    ("https://a@evil.org@crm.example.com/", "crm.example.com"),
    ("https://crm.example.com\t.evil.org/", "crm.example.com"),
    ("https://crm.example.com%2eevil.org/", "crm.example.com"),
    ("https://crm..example.com/", "crm..example.com"),
    ("https://.example.com/", ".example.com"),
    ("https://../", ".."),
    ("https://crm.example.com../", "crm.example.com"),
    ("https://crm.example.com:99999/", "crm.example.com"),
    ("https://crm.example.com:80:90/", "crm.example.com"),
    ("https://straße.example/", "straße.example"),
    ("https://ⓒrm.example.com/", "crm.example.com"),
    ("https://crm。example.com/", "crm.example.com"),
    ("https://boo\u212a.example/", "book.example"),  # the sign of Kelvin, small: k
    ("http://[::1%25eth0]/", "::1"),
    ("http://[::1/", "::1"),
    ("http://::1/", "::1"),
    ("https:///x", ""),
    ("https://", ""),
    ("crm.example.com", "crm.example.com"),
    ("host=evil.org dbname=crm", "evil.org dbname=crm"),
    # cloud metadata services, in every spelling, even where they are named
    ("http://169.254.169.254/latest", "169.254.169.254"),
    ("http://2852039166/latest", "2852039166"),
    ("http://0xa9.0xfe.43518/latest", "169.254.169.254"),
    ("http://[fe80::1]/", "fe80::1"),
    ("http://[::ffff:169.254.169.254]/", "::ffff:169.254.169.254"),
    ("http://[::ffff:a9fe:a9fe]/", "169.254.169.254"),
    # what drivers take for another host
    ("postgresql://db/crm?host=evil.org", "db"),
    ("postgresql://db/crm?sslmode=require&host=evil.org", "db"),
    ("postgresql://db/crm?%68ost=evil.org", "db"),
    ("postgresql://db/crm?hostaddr=203.0.113.1", "db"),
    ("postgresql://db/crm?service=evil", "db"),
    ("postgresql://db/crm?port=1", "db"),
    ("postgresql://db/crm?oauth_issuer=https://evil.org", "db"),
    ("postgresql:///crm?host=evil.org", "db"),
    ("postgresql://?host=evil.org", "db"),
    ("postgresql://db,evil.org/crm", "db"),
    ("postgresql://evil.org,db/crm", "db"),
    ("postgresql://db:5432,evil.org:5432/crm", "db"),
    ("postgresql://db,/crm", "db"),
    ("postgresql://db?x@evil.org/crm", "db"),
    ("postgresql://db#@evil.org/crm", "db"),
    ("postgresql://db:5432/x@evil.org/crm", "db"),
    ("postgresql://db/crm#?host=evil.org", "db"),
    ("postgresql+psycopg://db/crm?host=evil.org:5432&host=db", "db"),
    ("mysql+pymysql://db/crm?host=evil.org", "db"),
    ("mysql+pymysql://db/crm?unix_socket=/tmp/x", "db"),
    ("mysql+pymysql://db/crm?read_default_file=/tmp/my.cnf", "db"),
    ("mssql+pyodbc://db/x?odbc_connect=Server%3Devil.org", "db"),
    ("mssql+pyodbc://db/x?driver=a%7D;Server%3Devil.org", "db"),
]


@pytest.mark.parametrize(("uri", "entry"), FINE)
def test_a_host_that_is_named_is_reached(uri: str, entry: str) -> None:
    require_named(uri, ("other.example", entry))


@pytest.mark.parametrize(("uri", "entry"), REFUSED)
def test_any_other_host_is_refused_in_one_line_with_a_cure(uri: str, entry: str) -> None:
    with pytest.raises(InputError) as caught:
        require_named(uri, (entry,))
    assert "\n" not in str(caught.value)
    assert caught.value.cure or "link-local" in caught.value.cause


def test_all_hosts_of_an_address_are_looked_up() -> None:
    uri = "postgresql://ann@a.example:1,b.example,[::1]:2/crm?target_session_attrs=any"
    assert [str(host) for host in hosts_of(uri)] == ["a.example:1", "b.example:5432", "[::1]:2"]
    require_named(uri, ("a.example", "b.example", "::1"))


@pytest.mark.parametrize(
    ("uri", "allow", "cure"),
    [
        ("https://crm.example.com:8443/x", (), '["crm.example.com"]'),
        ("https://crm.example.com:8443/x", ("crm.example.com:443",), '["crm.example.com:8443"]'),
        ("http://[::1]:8080/", ("[::1]:80",), '["[::1]:8080"]'),
    ],
)
def test_the_cure_is_the_entry_that_helps(uri: str, allow: tuple[str, ...], cure: str) -> None:
    with pytest.raises(InputError) as caught:
        require_named(uri, allow)
    assert str(caught.value).endswith(f"[network] allow = {cure}")
    require_named(uri, (cure.strip('[]"') if "::" not in cure else cure[2:-2],))


def test_no_password_shows_when_an_address_is_refused() -> None:
    for uri in (
        "postgresql://ann:s3cret@evil.org/crm",
        "postgresql://ann:s3/cret@evil.org/crm",
        "postgresql://ann:s3@cret@evil.org/crm",
        "postgresql://ann:s3#cret@evil.org/crm",
        "postgresql://a b:s3cret@evil.org/crm?password=s3cret",
        "host=evil.org password=s3cret",
    ):
        with pytest.raises(InputError) as caught:
            require_named(uri, ("db",))
        assert "cret" not in str(caught.value)


def test_a_name_that_leads_to_a_link_local_address_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def metadata(*_: object) -> list[tuple[object, ...]]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("169.254.169.254", 0))]

    monkeypatch.setattr(socket, "getaddrinfo", metadata)
    with pytest.raises(InputError, match="link-local"):
        require_allowed("https://innocent.example/", ("innocent.example",))


@pytest.mark.parametrize(
    ("crm", "url"),
    [
        ("postgresql", "postgresql://db/crm?host=127.0.0.1"),
        ("postgresql", "host=127.0.0.1 dbname=crm"),
        ("mysql", "mysql+pymysql:///crm?host=127.0.0.1"),
        ("mysql", "mysql+pymysql://db/crm?host=127.0.0.1"),
        ("rest", "http://127.0.0.1:9/x"),
        ("tryton", "http://db@127.0.0.1:9/x"),
    ],
)
def test_no_connector_walks_around_the_list(
    crm: str, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(*_: object) -> None:
        raise AssertionError("a connection was tried")

    monkeypatch.setattr(socket.socket, "connect", unreachable)
    monkeypatch.setenv("LOGIN_OF_A_TEST", "ann:x")
    section = WriteBackSection(crm=crm, url=url, credentials="LOGIN_OF_A_TEST")
    with pytest.raises(InputError):
        connect(section, tmp_path, ("db",))


@pytest.mark.parametrize(
    ("variable", "value"), [("PGHOSTADDR", "127.0.0.1"), ("PGSERVICE", "elsewhere")]
)
def test_the_environment_of_libpq_leads_to_no_other_host(
    variable: str, value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    services = tmp_path / "services.conf"
    services.write_text("[elsewhere]\nhostaddr=127.0.0.1\n", encoding="utf-8")
    monkeypatch.setenv("PGSERVICEFILE", str(services))
    monkeypatch.setenv("PGHOST", "evil.org")  # does nothing where the address names a host
    address = "postgresql://db:9/crm"
    require_named(address, ("db",))
    monkeypatch.setenv(variable, value)
    assert pq.PGconn.connect(address.encode()).hostaddr == b"127.0.0.1"  # what must not happen
    for uri in (address, "postgres://db/crm", "postgresql+psycopg2://db/crm"):
        with pytest.raises(InputError, match=f"{variable} in the env.* may lead to .*unset it"):
            require_named(uri, ("db", "127.0.0.1"))
    require_named("mysql+pymysql://db/crm", ("db",))
    for crm in ("postgresql", "mysql"):
        with pytest.raises(InputError, match=variable):
            connect(WriteBackSection(crm=crm, url="postgresql+psycopg://db/crm"), tmp_path, ("db",))


def test_a_port_that_the_environment_may_change_is_no_named_port(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PGPORT", "5433")
    require_named("postgresql://db/crm", ("db",))
    require_named("postgresql://db:5432/crm", ("db:5432",))
    with pytest.raises(InputError, match=r'allow = \["db"\]'):
        require_named("postgresql://db/crm", ("db:5432",))


@pytest.mark.parametrize(
    "uri",
    ["sqlite://evil.org/x", "postgresql+psycopg_async://evil.org/x", "file://evil.org/x"],
)
def test_a_store_that_only_looks_local_is_refused(uri: str) -> None:
    with pytest.raises(InputError, match="is not allowed"):
        require_reachable(uri, ())


PIECES = st.lists(
    st.sampled_from(
        [*"@:/?#,&=. \\", "good", "evil", "5432", "%40", "%2c", "[::1]", "host=", "port="]
    ),
    max_size=9,
)


def read_by_us(hosts: str | None) -> list[str]:
    """Write what another parser took for hosts in our one way."""
    each = [f"[{host}]" if ":" in host else host for host in str(hosts).split(",")]
    return [host.name for host in hosts_of(f"postgresql://{','.join(each)}")]


@settings(max_examples=2000, deadline=None)
@given(pieces=PIECES)
def test_drivers_read_the_same_hosts(pieces: list[str]) -> None:
    """What is let pass, libpq's own parser and SQLAlchemy's must read as we do."""
    rest = "".join(pieces)
    try:
        named = [host.name for host in hosts_of(f"postgresql://{rest}")]
        read = conninfo.conninfo_to_dict(f"postgresql://{rest}")
    except (InputError, ProgrammingError):
        return
    assert read_by_us(str(read["host"])) == named
    assert not read.keys() & {"hostaddr", "service"}
    try:
        url = sqlalchemy.make_url(f"postgresql+psycopg://{rest}")
    except (ValueError, sqlalchemy.exc.ArgumentError):
        return
    if "[" not in str(url.host):  # what stays of two IPv6 hosts is the name of nobody
        assert {*read_by_us(url.host)} <= {*named}
    assert "host" not in url.query


@settings(max_examples=2000, deadline=None)
@given(pieces=PIECES)
def test_the_http_client_reads_the_same_host(pieces: list[str]) -> None:
    uri = f"https://{''.join(pieces)}"
    try:
        named, read = [host.name for host in hosts_of(uri)], httpx.URL(uri)
    except (InputError, httpx.InvalidURL):
        return
    assert read_by_us(read.host) == named


def test_libpq_is_given_the_addresses_that_were_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    def answers(name: str, port: int | None, **_: object) -> list[tuple[object, ...]]:
        if name == "gone":
            raise socket.gaierror("no such host")
        found = {"a": ["10.0.0.1", "10.0.0.2"], "b": ["10.0.0.3"], "cloud": ["169.254.169.254"]}
        return [(2, 1, 6, "", (address, port)) for address in found[name]]

    monkeypatch.setattr(socket, "getaddrinfo", answers)
    assert libpq_address("postgresql://a:5433,gone,b/crm") == {
        "host": "a,a,b",
        "hostaddr": "10.0.0.1,10.0.0.2,10.0.0.3",
        "port": "5433,5433,5432",
    }
    with pytest.raises(InputError, match="link-local"):
        libpq_address("postgresql://b,cloud/crm")
    with pytest.raises(socket.gaierror):
        libpq_address("postgresql://gone/crm")


@pytest.mark.checkout
@pytest.mark.parametrize(
    "connect",
    [
        "import socket; socket.create_connection(('169.254.169.254', 80), 1)",
        "import socket; socket.create_connection(('0xa9.0xfea9fe', 80), 1)",
        "import socket; socket.socket().connect(('169.254.43518', 80))",
        "import socket; socket.socket(socket.AF_INET6).connect(('fe80::1', 80, 0, 1))",
        "import socket; socket.socket(socket.AF_INET6).connect(('::ffff:169.254.169.254', 80))",
        "import httpx; httpx.get('http://169.254.169.254/latest', trust_env=False, timeout=2)",
        "import requests; requests.get('http://0251.0376.0251.0376/latest', timeout=2)",
        "import pymysql; pymysql.connect(host='169.254.169.254', connect_timeout=2)",
    ],
)
def test_a_process_of_ours_connects_to_no_link_local_address(connect: str) -> None:
    """Whatever the client: the address is judged as it is connected."""
    code = (
        "from data.network import never_reach_link_local as judge\n"
        f"judge(); judge()\ntry:\n    {connect}\n"
        "except Exception as error:\n    print(error)\n"
    )
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert "link-local and never reached" in run.stdout
