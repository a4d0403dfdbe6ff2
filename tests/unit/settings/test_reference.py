"""The reference page says what the program does."""

from pathlib import Path

from registrar.settings.csi import CSI_KEYS, interpret_csi
from registrar.settings.keys import KEYS
from registrar.settings.load import interpret
from registrar.settings.managerkeys import IGNORED, MANAGER_KEYS
from registrar.settings.model import CRDMode, PodIdentity
from registrar.settings.reference import (
    CSI_EXAMPLE,
    EXAMPLE,
    MANAGER_EXAMPLE,
    WORKLOAD_EXAMPLE,
    render_reference,
)
from registrar.settings.workloadkeys import ADDED, COMMON, IDLE, OF_MODE

ROOT = Path(__file__).resolve().parents[3]
SECTION = "## The controller manager's file"
WORKLOAD = "## The workload registrar's file"
CSI = "## The node driver's file"
LAYERED = "## The layered registrar's file"
NOTHING = "## What counts as not given"
ALIASES = "## One setting in every file"


def layered() -> str:
    """The part of the page on the layered registrar's file."""
    return render_reference().partition(SECTION)[0].partition(LAYERED)[2]


def controller_manager() -> str:
    """The part of the page on the controller manager's file."""
    return render_reference().partition(SECTION)[2].partition(WORKLOAD)[0]


def workload_registrar() -> str:
    """The part of the page on the workload registrar's file."""
    return render_reference().partition(WORKLOAD)[2].partition(CSI)[0]


def node_driver() -> str:
    """The part of the page on the node driver's file."""
    return render_reference().partition(CSI)[2].partition(NOTHING)[0]


def rows_of(text: str) -> list[str]:
    """The rows of a part's tables."""
    return [line for line in text.splitlines() if line.startswith("| `")]


def test_the_example_is_a_configuration() -> None:
    settings = interpret(EXAMPLE, path=Path("example"))
    assert settings.pods == PodIdentity("label", "spiffe.io/spiffe-id")
    assert EXAMPLE in render_reference()


def test_the_controller_managers_example_is_a_configuration() -> None:
    settings = interpret(MANAGER_EXAMPLE, path=Path("example"))
    assert settings.controller_manager is not None
    assert settings.health_addr == ":8083"
    assert not settings.warnings
    assert MANAGER_EXAMPLE in controller_manager()


def test_the_workload_registrars_example_is_a_configuration() -> None:
    settings = interpret(WORKLOAD_EXAMPLE, path=Path("example"))
    assert isinstance(settings.workload_registrar, CRDMode)
    assert settings.workload_registrar.context == (("Region", "north"),)
    assert not settings.warnings
    assert WORKLOAD_EXAMPLE in workload_registrar()


def test_the_node_drivers_example_is_a_configuration() -> None:
    settings = interpret_csi(CSI_EXAMPLE, path=Path("example"), environment={})
    assert settings.node_name == "node-1"
    assert settings.first_svid_timeout == 30.0
    assert CSI_EXAMPLE in node_driver()
    assert [row.split("`")[1] for row in rows_of(node_driver())] == [k.name for k in CSI_KEYS]


def test_every_key_of_the_workload_registrar_has_a_row() -> None:
    groups = (COMMON, *OF_MODE.values(), ADDED)
    names = [key.name for group in groups for key in group]
    assert [row.split("`")[1] for row in rows_of(workload_registrar())] == [*names, *IDLE]


def test_every_setting_has_one_row_with_its_names() -> None:
    rows = rows_of(render_reference().partition(ALIASES)[2])
    assert [row.split("`")[1] for row in rows] == [key.name for key in KEYS]
    assert {row.count("|") for row in rows} == {7}
    for key in KEYS:
        (row,) = (row for row in rows if row.startswith(f"| `{key.name}` |"))
        for other in key.names.values():
            assert f"`{other.name or key.name}`" in row


def test_every_zero_value_with_a_meaning_is_on_the_page() -> None:
    rows = rows_of(render_reference().partition(NOTHING)[2].partition(ALIASES)[0])
    for table in (KEYS, MANAGER_KEYS, *OF_MODE.values(), CSI_KEYS):
        for key in table:
            for zero, words in key.zeros.items():
                assert not words or f"| `{key.name}` | `{zero}` | {words} |" in rows


def test_every_key_has_a_row_of_four_cells() -> None:
    rows = rows_of(layered())
    assert [row.split("`")[1] for row in rows] == [key.name for key in KEYS]
    assert {row.count("|") for row in rows} == {5}


def test_every_key_of_the_controller_manager_has_a_row() -> None:
    rows = rows_of(controller_manager())
    names = [key.name for key in MANAGER_KEYS]
    assert [row.split("`")[1] for row in rows] == [*names, *IGNORED]
    assert {row.count("|") for row in rows[: len(names)]} == {5}
    assert {row.count("|") for row in rows[len(names) :]} == {3}


def test_the_controller_managers_part_names_no_key_of_the_layered_file() -> None:
    for key in KEYS:
        if "_" in key.name:
            assert f"`{key.name}`" not in controller_manager()


def test_the_defaults_of_the_page_are_accepted_as_they_are_shown() -> None:
    required = 'cluster = "c"\ntrust_domain = "example.org"\nserver_socket_path = "/s"\n'
    shown = ""
    for line in rows_of(layered()):
        cells = [cell.strip() for cell in line.split("|")]
        if cells[3].startswith("`") and cells[3].endswith("`"):
            shown += f"{cells[1].strip('`*')} = {cells[3].strip('`')}\n"
    assert "drift_interval = " in shown
    path = Path("f")
    assert interpret(required + shown, path=path) == interpret(required, path=path)


def test_the_page_in_the_repository_is_fresh() -> None:
    page = ROOT / "docs/reference/configuration.md"
    assert page.read_text(encoding="utf-8") == render_reference()
