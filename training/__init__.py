"""The training run, the leak audit, evaluation, the registry and monitoring."""
