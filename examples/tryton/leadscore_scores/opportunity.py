"""What leadscore writes on a lead, and the field with which a person overrules it."""

from trytond.model import fields
from trytond.pool import PoolMeta


class Opportunity(metaclass=PoolMeta):
    """A lead or opportunity with a score."""

    __name__ = "sale.opportunity"

    leadscore_score = fields.Integer(
        "Score",
        domain=[
            "OR",
            ("leadscore_score", "=", None),
            [("leadscore_score", ">=", 0), ("leadscore_score", "<=", 100)],
        ],
    )
    leadscore_band = fields.Selection(
        [(None, ""), ("A", "A"), ("B", "B"), ("C", "C"), ("D", "D")], "Band"
    )
    leadscore_probability = fields.Float("Probability", digits=(1, 6))
    leadscore_percentile = fields.Float("Percentile", digits=(3, 6))
    leadscore_trend = fields.Char("Trend")
    leadscore_reasons = fields.Char("Reasons", size=255)
    leadscore_model_version = fields.Char("Model version")
    leadscore_as_of = fields.Timestamp("Known as of")
    leadscore_scored_at = fields.Timestamp("Scored at")
    leadscore_run_id = fields.Char("Run")
    leadscore_disposition = fields.Char("Answered in leadscore")
    leadscore_override = fields.Char("Score by a person")
