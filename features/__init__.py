"""(Tables, snapshots) -> feature frame: the catalogue and the event kernel."""
