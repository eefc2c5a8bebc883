"""`python -m cli` is `jackstay`."""

from cli.app import main

main()
