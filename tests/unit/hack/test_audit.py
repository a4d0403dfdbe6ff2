"""What `make audit` makes of pip-audit's answers, and of none."""

import json
import sys
from pathlib import Path

import pytest

from hack.audit import main

FOUND = {
    "name": "aiohttp",
    "version": "3.0.0",
    "vulns": [{"id": "PYSEC-1", "fix_versions": ["3.0.1"]}, {"id": "PYSEC-2", "fix_versions": []}],
}
FINE = {"name": "yarl", "version": "1.0.0", "vulns": []}
UNKNOWN = {"name": "six", "skip_reason": "not found on PyPI"}


def pip_audit(folder: Path, *, answer: object = None, said: str = "", code: int = 0) -> str:
    """A command that answers so."""
    program = folder / "pip-audit"
    report = "" if answer is None else json.dumps({"dependencies": answer})
    program.write_text(
        f"#!{sys.executable}\n"
        "import sys\n"
        f"report, said = {report!r}, {said!r}\n"
        "if report:\n"
        "    open(sys.argv[sys.argv.index('--output') + 1], 'w').write(report)\n"
        "sys.stderr.write(said)\n"
        f"sys.exit({code})\n"
    )
    program.chmod(0o755)
    return str(program)


def test_a_finding_fails_and_says_what_mends_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--pip-audit", pip_audit(tmp_path, answer=[FOUND, FINE], code=1)]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "aiohttp 3.0.0: PYSEC-1, mended in 3.0.1",
        "aiohttp 3.0.0: PYSEC-2, mended in no version yet",
        "2 of 2 distributions asked about, 2 known vulnerabilities",
    ]


def test_no_finding_is_well_and_what_was_not_asked_about_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--pip-audit", pip_audit(tmp_path, answer=[FINE, UNKNOWN])]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "six could not be asked about: not found on PyPI",
        "1 of 2 distributions asked about, 0 known vulnerabilities",
    ]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ([UNKNOWN], ""),
        (None, "requests.exceptions.ConnectionError: name or service not known"),
        (None, "pip_audit._service.interface.ServiceError: 503 Server Error"),
    ],
)
def test_nobody_to_ask_is_said_and_is_no_failure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], answer: object, said: str
) -> None:
    command = pip_audit(tmp_path, answer=answer, said=said, code=1)
    assert main(["--pip-audit", command]) == 0
    assert "the vulnerability service could not be asked: " in capsys.readouterr().out


def test_a_failure_of_its_own_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = pip_audit(tmp_path, said="ERROR: requirements-run.lock: no such file", code=2)
    assert main(["--pip-audit", command]) == 1
    assert "pip-audit failed with exit code 2" in capsys.readouterr().err
