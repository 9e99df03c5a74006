"""Feature frame -> margin -> probability -> score -> contributions -> reasons; the artifact."""
