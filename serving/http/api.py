"""What the service takes and gives, typed: the OpenAPI document is made from these."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from serving.lead_score import LeadScore

Text = Annotated[str, Field(max_length=2_000)]
Number = Annotated[float, Field(allow_inf_nan=False, ge=-1e300, le=1e300)]
Value = Number | Text | bool | None

MAX_LEADS = 100
MAX_EVENTS = 5_000
MAX_ATTRIBUTES = 500
Row = Annotated[
    dict[Annotated[str, Field(max_length=200)], Value], Field(max_length=MAX_ATTRIBUTES)
]
Rows = Annotated[list[Row], Field(max_length=MAX_EVENTS)]
SectionNumber = Annotated[str, Field(pattern="^[0-9]{1,2}$")]
JoinedHistoryNumber = Annotated[str, Field(pattern=r"^[0-9]{1,2}\.[0-9]{1,2}$")]


class Strict(BaseModel):
    """No key passes that is not declared; nothing is converted silently."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Lead(Strict):
    """A lead as its CRM row, under the column names of the project file."""

    attributes: Row = Field(
        description="The row of the leads table; id and creation time under their column names.",
    )
    events: dict[SectionNumber, Rows] = Field(
        default={},
        description="Rows of each [[events]] section, by its number from 0.",
    )
    joined: dict[SectionNumber, Row] = Field(
        default={}, description="The row of each [[leads.join]] table, by its number from 0."
    )
    history: dict[SectionNumber, Rows] = Field(
        default={}, description="Changes of each [[leads.history]], by its number from 0."
    )
    joined_history: dict[JoinedHistoryNumber, Rows] = Field(
        default={},
        description='Changes of the row of a joined table: "0.1" is the second history of the '
        "first [[leads.join]].",
    )
    band: Annotated[str, Field(max_length=50)] | None = Field(
        default=None,
        description="The band that the lead had; left out, that of the newest run. A lead changes "
        "band only some points past a cut.",
    )


class ScoreRequest(Strict):
    """A small batch of leads, and the moment at which they are scored."""

    leads: list[Lead] = Field(min_length=1, max_length=MAX_LEADS)
    as_of: Annotated[AwareDatetime, Field(strict=False)] = Field(
        description="Only what was known strictly before this moment counts."
    )


class ScoreResponse(BaseModel):
    """The scores, in the order of the request, and the model that gave them."""

    model_version: str
    scores: list[LeadScore]


class Problem(BaseModel):
    """Why a request was refused."""

    detail: str


class Health(BaseModel):
    """Alive, and with which model."""

    status: str
    model_version: str | None = None
    loaded_at: datetime | None = Field(default=None, description="When this model was loaded.")
    trained_until: datetime | None = Field(
        default=None, description="Up to when this model knows the data: its age."
    )
    follower: Literal["off", "ok", "failing"] | None = Field(
        default=None,
        description="Whether the last look for a promotion succeeded; the model answers either "
        "way.",
    )
