"""`python -m esep.cli` is the `esep` command."""

from esep.cli.main import main

main()
