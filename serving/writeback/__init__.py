"""Scores into the CRM, once in effect, whatever fails: ledger, outbox, sending."""
