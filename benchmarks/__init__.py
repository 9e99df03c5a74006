"""Every claim of the README as a command that shows it, beside the peers."""
