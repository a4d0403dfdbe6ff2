"""The word of a person, before a command changes what nobody gives back by itself."""

import argparse
import sys

EXIT_REFUSED = 3
"""Nothing was changed, for nobody agreed to it or something spoke against it."""


def add_yes_flag(parser: argparse.ArgumentParser) -> None:
    """Add ``--yes``."""
    parser.add_argument(
        "--yes", action="store_true", help="do it without asking; needed where there is no terminal"
    )


def is_agreed(question: str, *, is_given: bool) -> bool:
    """Whether a person agrees: by the flag, or by a word on the terminal."""
    if is_given:
        return True
    if not sys.stdin.isatty():
        print(
            "spire-registrar: nothing was changed: there is no terminal to ask on, so agree by "
            "--yes",
            file=sys.stderr,
        )
        return False
    sys.stdout.write(f"{question} Only yes is taken as agreement: ")
    sys.stdout.flush()
    if sys.stdin.readline().strip() == "yes":
        return True
    print("spire-registrar: nothing was changed", file=sys.stderr)
    return False
