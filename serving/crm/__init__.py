"""One folder per CRM: scores are written to all of them, leads and events read from some."""
