"""Learns from a CRM's history which leads become opportunities, says how likely and why."""


def main() -> None:
    """Run the console command."""
    from serving.cli.app import main as run

    run()
