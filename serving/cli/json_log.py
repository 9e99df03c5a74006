"""Standard error as a log for machines: one JSON document a line, with the run that it is of.

Begun by `--log json` or LEADSCORE_LOG=json. What modules log, notes for a person and the line of an
error all end here; progress is not shown. No line holds data of a lead: those who log see to that,
and addresses and numbers are masked.
"""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Final

from data.printable import printable
from data.private import without_contacts
from serving.cli.clock import newest_run_id

FIELDS: Final = ("status", "seconds", "route", "key", "exit_code")
"""What a line may say beside its message."""


class JsonLine(logging.Formatter):
    """A log record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """Write moment, level, where it comes from, run and message."""
        line: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "run_id": newest_run_id(),
            "message": printable(without_contacts(record.getMessage())),
        }
        line |= {name: getattr(record, name) for name in FIELDS if hasattr(record, name)}
        return json.dumps(line, ensure_ascii=False)


def begin() -> None:
    """Send everything that this process logs to standard error as JSON, from INFO on."""
    root = logging.getLogger()
    if not begun():
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(JsonLine())
        root.addHandler(handler)
    root.setLevel(logging.WARNING)
    for name in ("leadscore", "serving", "training", "data", "models"):
        logging.getLogger(name).setLevel(logging.INFO)


def end() -> None:
    """Take the handler away again."""
    root = logging.getLogger()
    for handler in [each for each in root.handlers if isinstance(each.formatter, JsonLine)]:
        root.removeHandler(handler)


def begun() -> bool:
    """Tell whether standard error is a log for machines."""
    return any(isinstance(each.formatter, JsonLine) for each in logging.getLogger().handlers)


def say(message: str, *, level: str = "INFO", **fields: object) -> None:
    """Log one line."""
    logger = logging.getLogger("leadscore")
    logger.log(logging.getLevelNamesMapping()[level], "%s", message, extra=fields)
