"""`python -m campana.cli` is the `campana` command."""

from campana.cli.main import main

if __name__ == "__main__":
    main()
