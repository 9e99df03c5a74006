"""Words that the product and its example projects bring: events, stages, answers, levels, steps.

A catalogue translates them under the context "word". Words of a company (its own event types,
levels and criteria) get theirs from [report] labels in the project file, or stay as they are.
"""

from __future__ import annotations

from typing import Final

from features.templates import MONTHS, WEEKDAYS

_LISTS: Final = """
    activity; active days; age of the lead; recent activity; fields left empty; lead; prospect;
    opportunity; opportunity-ready; customer; content; search; social; campaign; referral;
    event; partner; direct; unknown; web visit; newsletter; contact form; form; e-book; ebook;
    white paper; webinar; seminar; chat; phone; phone call; pricing page; demo request;
    free trial; trial; email reply; email sent; sales email; sales call; sales meeting;
    meeting; call; download; industry; country; source; employees; size; job title; budget;
    need; authority; timing; channel; low; medium; high; known; maybe; not known; aware;
    decides; decider; influencer; user; this quarter; this year; later; free; company;
    education; disposable; government; invalid; other; founder; vp; c_level; director; manager;
    senior; junior; student; marketing; sales; finance; operations; it; hr; legal; product;
    support; competitor; too small; out of territory; opted out; in our territory; case study;
    price list; starter guide; budget known; Call and ask about the budget; Offer a demo;
    Invite to the next webinar; Send a case study and prices; Ask who decides; Call;
    Send an e-mail; Agree on a meeting; Guide: choosing software in your industry;
    Webinar: the first week of a trial; Invite to the webinar; Case study of the same industry;
    Price list; Offer a guided trial; Tailored offer; Security and data sheet;
    Call and agree on a start date; 20 to 500 employees; software or logistics;
    works in IT or operations; White paper: operations benchmarks;
    Invitation to the next seminar; Invite to a seminar; Case study with figures;
    How we work and what it costs; Call after the seminar; Tailored project outline;
    Propose two dates for a meeting; 150 employees or more; manufacturing or finance;
    works in operations or finance; E-book: a campaign that sells; Newsletter;
    Send the e-book of the month; Case study: from 200 to 900 leads; Packages and prices;
    Offer a short audit of the site; Tailored campaign plan; Call the marketing manager;
    10 to 200 employees; retail or hospitality; works in marketing; by score; as before;
    interest; converted; column; detector; severity; figure; reason; cure; waived by; rows;
    model; metric; value; error;
    against; difference; verdict; judged on; candidate; behind; standard error; between; choice;
    band; promised; observed; kept; capacity; weeks; worked; conversions; precision; captured;
    by chance; slice; month; expected; ratio; skill; log loss; average precision; brier;
    lift 10; precision 10; slope; intercept; observed over expected; debiased ece; prior;
    recency; logistic; rule; better; worse; level; random folds; forward folds; winner;
    chosen on; rounds; penalty; targets tried; targets; tuning; calibration; newest cohort;
    drift; periods; guard; made columns; weight of made columns;
    structural; quarantine; review; note; won; n;
    train: label window not closed before the test; test: lead is in train;
    An opportunity is a lead with a trial, a person who decides, and a budget.;
    An opportunity is a lead who came to a seminar and with whom a meeting is agreed.;
    An opportunity is a lead with a download whose marketing manager is actively looking.
    """
_NAMES: Final = (word.strip() for word in _LISTS.replace("\n", ";").split(";"))
WORDS: Final = tuple(dict.fromkeys([*filter(None, _NAMES), *WEEKDAYS, *MONTHS]))
