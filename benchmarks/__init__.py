"""Every claim of docs/benchmarks.md as a command that shows it, beside the peers."""
