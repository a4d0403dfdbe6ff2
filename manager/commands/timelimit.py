"""The flag ``--timeout`` of the commands that wait for something."""

import argparse

from api.durations import parse_duration


def add_timeout(parser: argparse.ArgumentParser, default: str) -> None:
    """Add the flag; its value is seconds, or None for ever."""
    parser.add_argument(
        "--timeout",
        type=_limit,
        default=default,
        metavar="DURATION",
        help=f"how long to wait, such as 90s or 5m; 0 is for ever (default: {default})",
    )


def _limit(text: str) -> float | None:
    try:
        nanoseconds = parse_duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r}: {error}: write one such as 5m") from error
    if nanoseconds < 0:
        raise argparse.ArgumentTypeError(f"{text!r}: write a duration such as 5m, or 0 for ever")
    return nanoseconds / 1e9 or None
