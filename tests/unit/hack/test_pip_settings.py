"""What pip inside a build is told of this machine."""

import configparser
import os
from pathlib import Path

import pytest

from hack.node import debian, pip_settings


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder for the machine's files; what this machine tells pip is out of the way."""
    for name in os.environ:
        if name.startswith("PIP_") or name.endswith("CA_BUNDLE") or name == "SSL_CERT_FILE":
            monkeypatch.delenv(name)
    folder = tmp_path / "machine"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("PIP_CONFIG_FILE", str(folder / "pip.conf"))
    return folder


def mounted(folder: Path) -> tuple[dict[str, Path], configparser.SectionProxy]:
    mounts = {path: source for source, path in pip_settings.mounts(folder)}
    parser = configparser.RawConfigParser()
    parser.read(mounts["/etc/pip.conf"])
    return mounts, parser["global"]


def test_carries_the_index_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "https://index.example/simple?a=%20b")
    monkeypatch.setenv("PIP_TRUSTED_HOST", "one.example two.example")
    monkeypatch.setenv("PIP_TARGET", "/somewhere")
    monkeypatch.setenv("PIP_REQUIRE_VIRTUALENV", "1")
    _, settings = mounted(tmp_path)
    assert settings["index-url"] == "https://index.example/simple?a=%20b"
    assert settings["trusted-host"].split() == ["one.example", "two.example"]
    assert "target" not in settings
    assert "require-virtualenv" not in settings


def test_carries_the_index_from_pips_files(tmp_path: Path, machine: Path) -> None:
    (machine / "pip.conf").write_text(
        "[global]\nindex-url = https://index.example/simple\n"
        "extra-index-url =\n    https://one.example\n    https://two.example\n"
    )
    _, settings = mounted(tmp_path)
    assert settings["index-url"] == "https://index.example/simple"
    assert settings["extra-index-url"].split() == ["https://one.example", "https://two.example"]


def test_the_environment_counts_more_than_files(
    tmp_path: Path, machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (machine / "pip.conf").write_text("[install]\nindex-url = https://file.example/simple\n")
    monkeypatch.setenv("PIP_INDEX_URL", "https://environment.example/simple")
    _, settings = mounted(tmp_path)
    assert settings["index-url"] == "https://environment.example/simple"


def test_mounts_the_folders_that_settings_name(
    tmp_path: Path, machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheels, more = machine / "wheels", machine / "more"
    wheels.mkdir()
    more.mkdir()
    links = f"{wheels} file://{more} https://links.example /not/there"
    monkeypatch.setenv("PIP_FIND_LINKS", links)
    mounts, settings = mounted(tmp_path)
    assert settings["find-links"].split() == links.split()
    assert mounts[str(wheels)] == wheels
    assert mounts[str(more)] == more
    assert "/not/there" not in mounts


def test_the_build_trusts_whom_pip_trusts(
    tmp_path: Path, machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = machine / "own.pem"
    bundle.write_text("certificates")
    monkeypatch.setenv("PIP_CERT", str(bundle))
    mounts, settings = mounted(tmp_path)
    assert mounts[str(debian.CA_BUNDLE)] == bundle
    assert settings["cert"] == str(debian.CA_BUNDLE)
