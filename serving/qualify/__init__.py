"""Shared criteria of marketing and sales -> stage, qualification and next step of every lead."""
