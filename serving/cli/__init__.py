"""The command line: every verb is a thin shell over a function."""
