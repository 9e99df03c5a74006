"""Servers, companies and planted faults that tests and benchmarks share."""
