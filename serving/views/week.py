"""Scored rows -> page "This week": whom to call, what to expect, what was missed."""

from __future__ import annotations

