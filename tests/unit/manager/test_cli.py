"""The command line as a whole, before any command has its say."""

import os
import subprocess
import sys

import pytest


@pytest.mark.may_block
@pytest.mark.parametrize("words", [["--help"], ["plan", "--help"], ["completion", "bash"]])
def test_a_reader_that_has_enough_ends_a_command_without_a_word(words: list[str]) -> None:
    """As ``| head`` does, here before the first line."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        ended = subprocess.run(
            [sys.executable, "-m", "manager", *words],
            stdout=writer,
            stderr=subprocess.PIPE,
            check=False,
            timeout=60,
        )
    finally:
        os.close(writer)
    # argparse passes over what it can't write of a long help, and is content.
    allowed = (0, 141) if "--help" in words else (141,)
    assert ended.returncode in allowed
    assert ended.stderr == b""
