"""`python -m safeconduct` is the command line."""

from safeconduct.cli import main

if __name__ == "__main__":
    main()
