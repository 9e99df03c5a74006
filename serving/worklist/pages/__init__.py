"""Scores, funnel, forecast and figures -> the typed view that the report draws."""
