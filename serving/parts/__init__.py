"""Scoring by parts of a company: each part by itself, then what looks at all leads."""
