"""The flags that say which cluster a command works with."""

import argparse
from pathlib import Path

import pytest

from manager.commands.clusterflags import add_cluster_flags, add_context_flag


def test_both_flags_are_read() -> None:
    parser = argparse.ArgumentParser()
    add_cluster_flags(parser)
    given = parser.parse_args(["--kubeconfig", "a/config", "--context", "prod"])
    assert (given.kubeconfig, given.context) == (Path("a/config"), "prod")
    nothing = parser.parse_args([])
    assert (nothing.kubeconfig, nothing.context) == (None, "")


def test_the_context_comes_alone_where_the_kubeconfig_is_a_setting() -> None:
    parser = argparse.ArgumentParser()
    add_context_flag(parser)
    assert parser.parse_args(["--context", "prod"]).context == "prod"
    with pytest.raises(SystemExit):
        parser.parse_args(["--kubeconfig", "a/config"])


def test_a_command_may_say_what_the_file_means_to_it(capsys: pytest.CaptureFixture[str]) -> None:
    parser = argparse.ArgumentParser()
    add_cluster_flags(parser, meaning="overrides the file's key")
    with pytest.raises(SystemExit):
        parser.parse_args(["--help"])
    assert "overrides the file's key" in capsys.readouterr().out
