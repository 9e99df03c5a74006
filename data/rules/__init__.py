"""A rule written by a person -> a mask over columns, with three-valued logic."""
