"""The error of a database's driver -> whether it passes by itself, or asking again changes nothing.

One law for what is read and for what is written back: a lock, a time limit, a server that is full,
restarting or away passes; a wrong query, name or right does not.
"""

from __future__ import annotations

from typing import Final

_STATES: Final = ("08", "40", "53", "57", "58", "25P03", "25P04", "55006", "55P03")
"""SQLSTATE: connection, rolled back, no resources, stopped by time or operator, system; sessions
that waited too long; locks. See appendix A of PostgreSQL's manual."""
_SQLITE: Final = (5, 6, 9, 10, 13, 15)
"""SQLITE_BUSY, LOCKED, INTERRUPT, IOERR, FULL, PROTOCOL."""
MYSQL_LOST: Final = (0, 2006, 2013, 2014, 2055)
"""The connection broke: what was sent may have been applied."""
_MYSQL: Final = (
    *MYSQL_LOST,
    *(1040, 1053, 1158, 1159, 1160, 1161, 1203, 1205, 1213, 1226),  # full, stopping, net, locked
    *(1317, 1927, 1969, 2002, 2003, 3024, 3572, 4031),  # interrupted, killed, out of time, away
)
"""Numbers of MySQL's and MariaDB's errors."""


def passes(error: BaseException) -> bool:
    """Tell whether a driver's error (sqlite3, DuckDB, psycopg, PyMySQL) passes by itself."""
    kind = type(error).__name__
    code = getattr(error, "sqlite_errorcode", None)
    if code is not None:
        return code & 0xFF in _SQLITE  # the higher bits tell which lock
    if type(error).__module__.startswith("psycopg"):
        state = getattr(error, "sqlstate", None)
        if state is None:  # the server was not reached, or said no more
            return kind in ("OperationalError", "ConnectionTimeout", "InterfaceError")
        return str(state).startswith(_STATES)
    number = error.args[0] if error.args else None
    if isinstance(number, int):
        return number in _MYSQL
    return kind in ("OperationalError", "IOException")  # a driver without numbers; DuckDB's locks
