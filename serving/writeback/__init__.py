"""Scores into the CRM: each takes effect once, whatever fails. Ledger, outbox, sending."""
