"""What every connector declares of its CRM, and what it is given to open it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Generic, Literal, TypeVar

from serving.crm.interface import Crm

if TYPE_CHECKING:
    from serving.crm.crm_rows import Readable
    from serving.crm.retries import RetryingCall

C = TypeVar("C", bound=Crm)


@dataclass(frozen=True, slots=True)
class Target:
    """Where to write and under which account: [write_back] with the connector's defaults."""

    url: str  # of a database: with user and password
    allow: tuple[str, ...]
    secret: str  # what the environment variable holds: `user:password` or a token
    entity: str
    key: str
    fields: Mapping[str, str]  # our field -> the CRM's name; empty: the standard names
    override: str | None
    sleep: Callable[[float], None]  # between looks at a job of the CRM; may raise `Unsure`

    @property
    def login(self) -> tuple[str, str]:
        """Give user and password."""
        user, _, password = self.secret.partition(":")
        return user, password


@dataclass(frozen=True, slots=True)
class Connector(Generic[C]):
    """One CRM; its client libraries are imported when it is opened, not before."""

    name: str  # as [write_back] crm has it
    address: Literal["file", "database", "service"]  # what `url` is
    credentials: Literal["none", "login", "token"]  # what the environment variable holds
    write: Callable[[Target], C]
    read: Callable[[C, RetryingCall], Readable] | None = None  # None: it is not pulled
    instead_of_pull: str = ""  # what to do where it is not
    entity: str = "leads"  # where [write_back] entity says nothing
    pulled: tuple[str, ...] = ()  # the entities that may be pulled; empty: any
    key: str = "lead_id"  # where [write_back] key says nothing
    embedded: Callable[[Path], C] | None = None  # used where [write_back] has no url
    takes: tuple[str, ...] = ("entity", "key", "fields", "override", "credentials")  # of its keys
