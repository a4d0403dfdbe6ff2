"""Every key has a flag, and the flags that were given override the file."""

import argparse
from pathlib import Path

import pytest

from registrar.settings.flags import add_flags, overrides_of
from registrar.settings.keys import KEYS
from registrar.settings.load import interpret

FILE = 'cluster = "c"\ntrust_domain = "example.org"\nserver_socket_path = "/s"\n'


def overrides(*words: str) -> dict[str, str]:
    parser = argparse.ArgumentParser()
    add_flags(parser)
    return overrides_of(parser.parse_args(words))


def test_without_flags_nothing_is_overridden() -> None:
    assert overrides() == {}


@pytest.mark.parametrize("name", [key.name for key in KEYS])
def test_each_key_has_a_flag_of_its_name(name: str) -> None:
    assert overrides("--" + name.replace("_", "-"), "x") == {name: "x"}


def test_a_boolean_flag_may_stand_alone_and_may_be_false() -> None:
    given = overrides("--allow-mass-deletion", "--leader-election", "false")
    settings = interpret(FILE + "leader_election = true", path=Path("f"), overrides=given)
    assert settings.deletion_budget.allow_mass_deletion
    assert settings.leader_election is None


def test_the_flags_together_make_settings_without_a_key_in_the_file() -> None:
    given = overrides("--cluster=c", "--trust-domain=example.org", "--server-socket-path=/s")
    assert interpret("", path=Path("f"), overrides=given) == interpret(FILE, path=Path("f"))


def test_help_tells_every_flag(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        overrides("--help")
    shown = capsys.readouterr().out
    assert all(key.flag in shown for key in KEYS)
