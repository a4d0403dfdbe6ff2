"""The arguments of the binaries that we replace mean here what they meant there."""

from pathlib import Path

import pytest

from manager.cli import main, parser
from manager.commands.configuration import DEFAULTS, settings_of
from manager.commands.originals import as_ours
from registrar.settings.model import Settings, UnixAddress

YAML = "kind: ControllerManagerConfig\nclusterName: c\ntrustDomain: example.org\n"
HCL = 'cluster = "c"\ntrust_domain = "example.org"\nserver_socket_path = "/s"\n'


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, where relative paths begin."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "c.yaml").write_text(YAML)
    (tmp_path / "c.conf").write_text(HCL)
    return tmp_path


def settings(*arguments: str) -> Settings:
    """What ``run`` would run with."""
    parsed = parser().parse_args(as_ours(arguments, DEFAULTS))
    found = settings_of(parsed)
    assert found is not None
    return found


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    "arguments",
    [
        ("--kubeconfig=/kubeconfigs/west", "--config=c.yaml"),
        ("-kubeconfig", "/kubeconfigs/west", "-config", "c.yaml"),
        ("-expand-env=true", "-kubeconfig=/kubeconfigs/west", "--config", "c.yaml"),
        ("--expand-env", "-config=c.yaml", "--kubeconfig", "/kubeconfigs/west"),
        ("-zap-devel=false", "-kubeconfig=/kubeconfigs/west", "-config=c.yaml"),
        ("run", "-kubeconfig=/kubeconfigs/west", "-config=c.yaml"),
    ],
)
def test_flags_come_in_any_order_with_one_dash_or_two(arguments: tuple[str, ...]) -> None:
    found = settings(*arguments)
    assert found.kubeconfig == Path("/kubeconfigs/west")
    assert found.cluster == "c"


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("arguments", "level", "log_format"),
    [
        ((), "info", "text"),
        (("--zap-log-level=debug", "--zap-encoder=json"), "debug", "json"),
        (("-zap-log-level", "5"), "debug", "text"),
        (("-zap-log-level=Panic",), "error", "text"),
        (("--zap-devel",), "debug", "text"),
        (("--zap-devel=false",), "info", "json"),
        (("--zap-devel=0", "--zap-log-level=error"), "error", "json"),
        (("--zap-log-level=error", "--log-level=debug"), "debug", "text"),
    ],
)
@pytest.mark.parametrize("file", ["c.yaml", "c.conf"])
def test_the_log_flags_of_the_original_are_honoured(
    file: str, arguments: tuple[str, ...], level: str, log_format: str
) -> None:
    found = settings(f"--config={file}", *arguments)
    assert (found.log_level, found.log_format) == (level, log_format)


def test_the_file_wins_over_the_development_flag_and_over_the_old_socket_flag(
    folder: Path,
) -> None:
    found = settings("-spire-api-socket=/flag", "-config=c.yaml")
    assert found.spire == UnixAddress(Path("/flag"))
    assert "deprecated" in found.warnings[0]
    (folder / "c.yaml").write_text(YAML + "logLevel: error\nspireServerSocketPath: /file\n")
    found = settings("-spire-api-socket=/flag", "--zap-devel", "-config=c.yaml")
    assert (found.spire, found.log_level) == (UnixAddress(Path("/file")), "error")


@pytest.mark.usefixtures("folder")
def test_what_has_no_meaning_here_is_accepted_with_a_warning() -> None:
    found = settings(
        "--zap-stacktrace-level=error", "--zap-time-encoding=iso8601", "--config=c.yaml"
    )
    assert [warning.split(" ")[0] for warning in found.warnings] == [
        "--zap-stacktrace-level",
        "--zap-time-encoding",
    ]


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    "arguments",
    [("--zap-log-level=loud",), ("--zap-encoder=xml",), ("--zap-devel=maybe",), ("-x",)],
)
def test_a_wrong_flag_is_a_mistake_of_usage(
    arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--config=c.yaml", *arguments])
    assert ended.value.code == 2
    assert arguments[0].partition("=")[0] in capsys.readouterr().err


def test_without_arguments_the_default_file_is_run_where_there_is_one(folder: Path) -> None:
    assert as_ours([], DEFAULTS) == []
    (folder / "k8s-workload-registrar.conf").write_text(HCL)
    assert as_ours([], DEFAULTS) == ["run"]
    assert settings().workload_registrar is not None


@pytest.mark.parametrize("arguments", [["--help"], ["-version"], ["-h"], ["check", "x"]])
def test_help_and_commands_stay_what_they_are(arguments: list[str]) -> None:
    assert "run" not in as_ours(arguments, DEFAULTS)


@pytest.mark.usefixtures("folder")
def test_the_context_of_a_kubeconfig_can_be_chosen() -> None:
    assert settings("--config=c.yaml", "-context", "west").context == "west"


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("c.yaml", "c.yaml: a file of spire-controller-manager in cluster mode (kind: "),
        ("c.conf", "c.conf: a file of spire-k8s-registrar in layered mode ("),
    ],
)
def test_check_says_whose_file_it_is(
    file: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", "--config", file]) == 0
    right, whose = capsys.readouterr().out.splitlines()
    assert right == f"{file}: right"
    assert whose.startswith(words)


def test_check_asks_for_the_mode_of_a_file_whose_keys_point_to_another(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "spire-k8s-registrar.conf").write_text(HCL + "add_svc_dns_name = true\n")
    assert main(["check"]) == 2
    said = capsys.readouterr().err
    assert "spire-k8s-registrar.conf: mode: missing: it has add_svc_dns_name" in said
    assert 'mode = "crd"' in said
