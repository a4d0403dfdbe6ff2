"""The reference page says what the program does."""

from pathlib import Path

from registrar.settings.keys import KEYS
from registrar.settings.load import interpret
from registrar.settings.model import PodIdentity
from registrar.settings.reference import EXAMPLE, render_reference

ROOT = Path(__file__).resolve().parents[3]


def test_the_example_is_a_configuration() -> None:
    settings = interpret(EXAMPLE, path=Path("example"))
    assert settings.pods == PodIdentity("label", "spiffe.io/spiffe-id")
    assert EXAMPLE in render_reference()


def test_every_key_has_a_row_of_four_cells() -> None:
    rows = [line for line in render_reference().splitlines() if line.startswith("| `")]
    assert [row.split("`")[1] for row in rows] == [key.name for key in KEYS]
    assert {row.count("|") for row in rows} == {5}


def test_the_defaults_of_the_page_are_accepted_as_they_are_shown() -> None:
    required = 'cluster = "c"\ntrust_domain = "example.org"\nserver_socket_path = "/s"\n'
    shown = ""
    for line in render_reference().splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        if line.startswith("| `") and cells[3].startswith("`") and cells[3].endswith("`"):
            shown += f"{cells[1].strip('`*')} = {cells[3].strip('`')}\n"
    assert "drift_interval = " in shown
    path = Path("f")
    assert interpret(required + shown, path=path) == interpret(required, path=path)


def test_the_page_in_the_repository_is_fresh() -> None:
    page = ROOT / "docs/reference/configuration.md"
    assert page.read_text(encoding="utf-8") == render_reference()
