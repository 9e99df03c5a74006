"""Batch scoring, write-back, reports, HTTP and the command line."""
