"""What the keys of the project file may hold, and what every section has in common."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    WithJsonSchema,
)

from data.clock import parse_duration
from data.days import parse_days
from data.memory import checked_size
from data.rules.expressions import checked

Column = Annotated[str, Field(json_schema_extra={"format": "column"})]
"""The name of a column of the table at hand."""
DecimalSign = Literal[".", ","]
Place = Annotated[str, Field(json_schema_extra={"format": "source"})]
"""A CSV or Parquet path, a glob, an object's address, or a database URI."""
Moment = Annotated[str, Field(json_schema_extra={"format": "moment"})]
"""A date or a time, ISO or as `date_format` says."""
Variable = Annotated[str, Field(json_schema_extra={"format": "environment-variable"})]
"""The name of an environment variable."""
Points = Annotated[float, Field(json_schema_extra={"x-unit": "points"})]
Days = Annotated[int, Field(json_schema_extra={"x-unit": "days"})]
LeadCount = Annotated[int, Field(json_schema_extra={"x-unit": "leads"})]
Money = Annotated[float, Field(json_schema_extra={"x-unit": "currency"})]
Share = Annotated[float, Field(json_schema_extra={"x-unit": "share"})]

OneOrMany = Annotated[
    tuple[str, ...],
    BeforeValidator(lambda value: (value,) if isinstance(value, str) else value),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
]
DUMPED: Final = "dumped"
"""The context of validation in which a project is what `model_dump` wrote."""


def _read_duration(value: object, info: ValidationInfo) -> int:
    """Read a duration as it is written; where it was dumped, a number is microseconds."""
    if info.context == DUMPED and isinstance(value, int):
        return value
    return parse_duration(value)


Duration = Annotated[
    int,
    BeforeValidator(_read_duration),
    WithJsonSchema(
        {
            "type": "string",
            "format": "duration",
            "pattern": r"^\s*\d+(\.\d+)?\s*(s|min|h|d|w)\s*$",
        }
    ),
]
"""A length of time in microseconds; written "90d", "12h", "30min", "45s"."""
MemorySize = Annotated[
    str,
    AfterValidator(checked_size),
    WithJsonSchema({"type": "string", "pattern": r"^\s*\d+(\.\d+)?\s*[MGmg][Ii]?[Bb]\s*$"}),
]
"""An amount of memory; written "8GB", "500MB", "8GiB"."""
NightDays = Annotated[
    tuple[str, ...],
    BeforeValidator(parse_days),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string"},
                {"type": "integer"},
                {
                    "type": "array",
                    "items": {"anyOf": [{"type": "string"}, {"type": "integer"}]},
                },
            ]
        }
    ),
]
"""Days of the month, weekdays, or a word for them."""
Rule = Annotated[str, AfterValidator(checked), Field(json_schema_extra={"format": "rule"})]
"""A condition in the safe expression language of data.rules.expressions."""


class Section(BaseModel):
    """A section of the project file: frozen, and an unknown key is an error.

    The text below a key describes it in data/project.schema.json and in the docs. It is read from
    the source when those are made: pydantic would do so whenever the program starts.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        str_strip_whitespace=True,
        validate_default=True,
    )


class Source(Section):
    """Where a table is: a CSV or Parquet path, a glob, an object, or a database and a query."""

    source: Place = Field(examples=["leads.csv"])
    """A CSV or Parquet file, a glob (`"touches-*.csv"`), the same in an object store
    (`s3://bucket/touches-*.csv`), or the URI of a database: `sqlite:///`, `duckdb:///`,
    `postgresql://`, `mysql://`. `${NAME}` is taken from the environment."""
    query: str | None = Field(default=None, examples=["select * from leads"])
    """What to select, where `source` is a database. It is run read only."""
    where: Rule | None = Field(default=None, examples=["stage <> 'duplicate'"])
    """Keep the rows for which this rule holds."""
    date_format: str | None = Field(default=None, examples=["%d/%m/%Y %H:%M"])
    """How times are written in this table, where they are not ISO."""
    delimiter: str | None = Field(default=None, examples=[";"])
    """What parts the columns of a CSV file. Left out: found by looking."""
    encoding: str = "utf-8"
    """How the letters of a CSV file are stored."""
    decimal: DecimalSign | dict[Column, DecimalSign] = Field(
        default=".", examples=[",", {"budget": ","}]
    )
    """What stands before the decimals of a number; of single columns, where those of a table
    differ: all others then have a point."""
