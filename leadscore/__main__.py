"""`python -m leadscore` is the console command."""

from leadscore import main

main()
