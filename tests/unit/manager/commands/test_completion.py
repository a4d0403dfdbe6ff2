"""Completion: what may stand in the place of the word that is typed."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manager.cli import complete, main, parser
from manager.commands.completion import candidates

COMMANDS = {"run", "csi", "check", "plan", "generate-config", "wait", "topology", "completion"}


def words(*typed: str) -> set[str]:
    return {word for word, _ in candidates(parser(), typed)[0]}


def test_commands_flags_and_values_are_completed() -> None:
    assert words("") >= COMMANDS
    assert words("pl") == {"plan"}
    assert words("plan", "--fail") == {"--fail-on-change", "--fail-on-delete"}
    assert words("plan", "--fail-on-change", "--fail") == {"--fail-on-delete"}
    assert words("plan", "-o", "") == {"table", "json", "yaml"}
    assert words("plan", "--output=j") == {"--output=json"}
    assert words("plan", "--limit", "") == set()
    assert words("topology", "st") == {"start", "stop", "status"}
    assert words("completion", "") == {"bash", "zsh", "fish"}


def test_files_are_candidates_only_where_a_file_is_meant() -> None:
    def takes_files(*typed: str) -> bool:
        return candidates(parser(), typed)[1] == 0

    assert takes_files("plan", "--config", "")
    assert takes_files("plan", "--from-manifests=")
    assert takes_files("check", "")
    assert not takes_files("plan", "--limit", "")
    assert not takes_files("pl")


TYPED = st.lists(
    st.sampled_from(["plan", "-o", "--all", "--config", "x", "--", "-", "", "--limit=3"])
)


@given(typed=TYPED, last=st.text(max_size=3))
def test_whatever_was_typed_gives_only_what_begins_like_it(typed: list[str], last: str) -> None:
    found, _ = candidates(parser(), [*typed, last])
    assert all(word.startswith(last) for word, _ in found)


def test_kubectl_is_answered_in_its_own_words(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["kubectl_complete-spire", "plan", "--fail-on-c"])
    assert complete() == 0
    *lines, directive = capsys.readouterr().out.splitlines()
    assert [line.partition("\t")[0] for line in lines] == ["--fail-on-change"]
    assert directive == ":4"


def test_as_a_plugin_of_kubectl_it_is_called_so(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["/usr/bin/kubectl-spire"])
    with pytest.raises(SystemExit):
        main(["plan", "--help"])
    assert capsys.readouterr().out.startswith("usage: kubectl spire plan")


def test_the_script_completes_in_bash(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bash = shutil.which("bash")
    assert bash is not None
    assert main(["completion", "bash"]) == 0
    name = Path(sys.argv[0]).name
    program = tmp_path / name
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m manager "$@"\n')
    program.chmod(0o755)
    script = capsys.readouterr().out + (
        f"COMP_WORDS=({name} plan --fail-on-d); COMP_CWORD=2\n"
        f'_{name.replace("-", "_")} 2>/dev/null; printf "%s\\n" "${{COMPREPLY[@]}}"\n'
    )
    path = f"{tmp_path}:{os.environ['PATH']}"
    done = subprocess.run(
        [bash, "-c", script],
        env={**os.environ, "PATH": path},
        cwd=Path(__file__).parents[4],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "--fail-on-delete\n"
