"""Lets `python -m soundlift.cli` be the command."""

from soundlift.cli.main import main

if __name__ == "__main__":
    main()
