"""`python -m penstock` is the command."""

from penstock.cli.main import main

__all__: list[str] = []

if __name__ == "__main__":
    main()
