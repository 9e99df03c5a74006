"""A lead as the report shows it: its line in the lists, and its full page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from serving.worklist.phrase import Phrase
from serving.worklist.view_parts import (
    Band,
    CardAnswer,
    Colleague,
    Comeback,
    CriterionMatch,
    Feedback,
    LaneEntry,
    NextStep,
    PastScore,
    ShownChangeLine,
    ShownReason,
    ShownStanding,
    SimilarLead,
    TimelineEvent,
    Trend,
)


@dataclass(frozen=True, slots=True)
class LeadDetail:
    """The full page of a lead: the waterfall and everything around it.

    typical + sum of reasons + unseen_points + rest_points + limit_points == the lead's score, in
    whole numbers. `reasons_for` and `reasons_against` are largest first.
    """

    typical: int
    reasons_for: tuple[ShownReason, ...]
    reasons_against: tuple[ShownReason, ...]
    rest_points: int = 0
    limit_points: int = 0
    answers: tuple[CardAnswer, ...] = ()
    icp: tuple[CriterionMatch, ...] = ()
    icp_match: float | None = None  # 0 to 1
    history: tuple[PastScore, ...] = ()  # oldest first
    timeline: tuple[TimelineEvent, ...] = ()  # newest first
    similar: tuple[SimilarLead, ...] = ()
    similar_others: int = 0  # similar leads of colleagues, whom this viewer does not see
    content: tuple[str, ...] = ()  # what to send at this stage, in the company's words
    missing_for_next: tuple[Phrase, ...] = ()  # what the next stage still asks for
    next_stage: str | None = None
    rescored: NextStep | None = None  # the act of sales that scores highest, scored again for real
    levels: Mapping[str, str] = field(default_factory=dict)  # named levels: interest -> high
    feedback: tuple[Feedback, ...] = ()  # what reps answered back, newest first
    unstable: bool = False  # other seeds would name other reasons
    low_information: bool = False  # no events yet
    rule_text: str | None = None  # the condition of the rule that took the lead out
    changes: tuple[ShownChangeLine, ...] | None = None  # since a week ago; None: it is newer
    missing_roles: tuple[Phrase, ...] = ()  # who of the company is not known yet
    unseen_points: int = 0  # of what is not known or not seen


@dataclass(frozen=True, slots=True)
class ReportLead:
    """One open lead as the lists show it; `detail` is None beyond the top N of its owner.

    `reasons` are the few that the list shows, largest absolute points first; `rule` is the
    stated reason where a rule of the company takes the lead out (it has neither rank nor band
    then). Where a score is `withheld` it is None, with everything that would tell of it.
    """

    lead_id: str
    name: str
    owner: str
    score: int | None
    band: Band | None
    probability: float | None
    probability_low: float | None
    probability_high: float | None
    percentile: float | None = 0.0
    counted: float | None = None  # its chance in sums: by its age where the model knows none so old
    trend: Trend | None = "new"
    source: str | None = None
    account: str | None = None
    stage: str | None = None
    grid: str = ""  # fit x engagement, "A1" to "D4"
    families: Mapping[str, int] = field(default_factory=dict)  # fit, engagement, … -> points
    reasons: tuple[ShownReason, ...] = ()
    step: NextStep | None = None
    last_touch_at: str | None = None  # by sales
    created_at: str | None = None
    rule: str | None = None
    detail: LeadDetail | None = None
    withheld: str | None = None  # the arm of an experiment that works without scores
    back: Comeback | None = None  # where it was closed before
    standing: ShownStanding | None = None  # why it is off the list, by a rep's answer
    ended: ShownStanding | None = None  # why it was, until what it did lately
    person: str = ""  # whom to call
    company: str = ""
    title: str = ""
    team: str = ""
    email: str = ""
    amount: float | None = None  # its own, in the report's currency
    worth: float | None = None  # chance times what its conversion would bring
    old_score: int | None = None  # a week ago
    old_band: Band | None = None
    weeks: tuple[int, ...] = ()  # its scores of the last eight weeks, oldest first
    lanes: tuple[LaneEntry, ...] = ()
    colleagues: tuple[Colleague, ...] = ()  # other open leads of its company
    colleagues_leads: int = 0  # more of them, of owners whom this viewer does not see

    @property
    def off_list(self) -> bool:
        """Tell whether a rule or a rep's answer keeps it off the list."""
        return self.rule is not None or self.standing is not None

    @property
    def shown_lanes(self) -> tuple[LaneEntry, ...]:
        """Give the lanes in which it is shown; none while an answer keeps it off the list."""
        return () if self.off_list else self.lanes

    @property
    def shown_step(self) -> NextStep | None:
        """Give the next step that is shown; none while the lead is off the list."""
        return None if self.off_list else self.step

    @property
    def change(self) -> int | None:
        """Points since a week ago; None where there is no score of then."""
        if self.score is None or self.old_score is None:
            return None
        return self.score - self.old_score

    @property
    def crossed(self) -> bool:
        """Tell whether the lead changed its band within the week, by more than chance."""
        return self.trend in ("rising", "falling") and self.old_band not in (None, self.band)
