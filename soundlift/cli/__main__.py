"""Entry point of `python -m soundlift.cli`."""

from soundlift.cli.main import main

if __name__ == "__main__":
    main()
