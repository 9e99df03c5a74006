"""Declared sources -> the tables, attributes, events and outcomes of a project, checked."""
