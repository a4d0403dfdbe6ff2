"""Which engine builds the image: the first that works."""

from pathlib import Path

import pytest

from hack.image import NoEngine, main, why_not, working_engine

DATED = "--build-arg SOURCE_DATE_EPOCH=1700000000 --timestamp 1700000000"
_WITHOUT_DAEMON = "echo 'ERROR: Cannot connect to the daemon' >&2; exit 1"


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is all of the PATH: what is put there is what the machine has."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    return folder


def install(machine: Path, engine: str, *, info: str = "exit 0", build: str = "exit 0") -> None:
    """Give the machine an engine; it writes down what it shall build."""
    program = machine / engine
    program.write_text(
        f'#!/bin/sh\ncase "$1" in info) {info};; esac\n'
        f'echo "$0" "$@" >> {machine}/asked-to-build\n{build}\n'
    )
    program.chmod(0o755)


def built(machine: Path) -> list[str]:
    """What engines were asked to build."""
    return (machine / "asked-to-build").read_text().replace(f"{machine}/", "").splitlines()


def test_an_engine_whose_daemon_does_not_run_is_passed_over_and_said(
    machine: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    install(machine, "docker", info=_WITHOUT_DAEMON)
    install(machine, "buildah")
    assert main(["spire-registrar:dev"]) == 0
    assert built(machine) == [f"buildah build --tag spire-registrar:dev {DATED} ."]
    said = capfd.readouterr().err
    assert "passing over docker: `docker info` fails: ERROR: Cannot connect to the daemon" in said
    assert "passing over podman: not installed" in said


def test_the_first_that_works_is_taken(machine: Path) -> None:
    install(machine, "podman")
    install(machine, "buildah")
    assert working_engine() == "podman"


def test_an_engine_that_does_not_answer_is_passed_over(machine: Path) -> None:
    install(machine, "podman", info="while :; do :; done")
    install(machine, "buildah")
    assert working_engine(answer_seconds=0.2) == "buildah"


def test_an_engine_that_cannot_be_run_is_passed_over(machine: Path) -> None:
    program = machine / "podman"
    program.write_text("#!/no/such/interpreter\n")
    program.chmod(0o755)
    assert "cannot be run" in why_not("podman")


def test_without_any_that_works_the_remedy_is_said(
    machine: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    install(machine, "docker", info=_WITHOUT_DAEMON)
    assert main(["spire-registrar:dev"]) == 1
    said = capsys.readouterr().err
    assert "docker: `docker info` fails" in said
    assert "buildah: not installed" in said
    assert "install podman or buildah" in said


def test_one_that_is_named_is_the_only_one(
    machine: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    install(machine, "docker", info=_WITHOUT_DAEMON)
    install(machine, "buildah")
    assert main(["spire-registrar:dev", "--engine", "docker"]) == 1
    assert "buildah:" not in capsys.readouterr().err
    with pytest.raises(NoEngine):
        working_engine(("docker",))


def test_options_reach_the_build_and_its_exit_code_comes_back(machine: Path) -> None:
    install(machine, "buildah", build="exit 7")
    assert main(["example.org/it:1", "--", "--isolation", "chroot"]) == 7
    assert built(machine) == [f"buildah build --tag example.org/it:1 {DATED} --isolation chroot ."]
