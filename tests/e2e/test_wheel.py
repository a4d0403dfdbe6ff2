"""What is shipped: the wheels of both distributions, built from what the Dockerfile copies."""

import re
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[2]
DEVCLUSTER = ("demo", "devcluster", "config/samples")
CONFIGURATION = """\
trust_domain = "example.org"
cluster = "one"
server_socket_path = "/run/spire/api.sock"
"""
_PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
_NO_INDEX = ("--quiet", "--no-index", "--no-deps")
_JUNK = shutil.ignore_patterns("__pycache__", "build", "*.egg-info")

pytestmark = [pytest.mark.slow, pytest.mark.may_block]


class Wheels(NamedTuple):
    """The two distributions, and the folder that they were built from."""

    product: Path
    devcluster: Path
    sources: Path


class Installed(NamedTuple):
    """An environment with the product's dependencies, and nothing of the checkout."""

    python: Path
    command: Path

    def install(self, wheel: Path) -> None:
        subprocess.run(
            [*_PIP, "--python", str(self.python), "install", *_NO_INDEX, str(wheel)],
            check=True,
            timeout=60,
        )

    def run(self, *arguments: str, cwd: Path) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [str(self.command), *arguments],
            cwd=cwd,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Wheels:
    sources, out = tmp_path_factory.mktemp("sources"), tmp_path_factory.mktemp("wheels")
    copied = re.findall(
        r"^COPY (?!--from)(.+) \S+$", (ROOT / "Dockerfile").read_text(), re.MULTILINE
    )
    for name in " ".join(copied).split():
        _copy(name, sources)
    _build(sources, out)
    product = next(out.glob("*.whl"))
    for name in DEVCLUSTER:
        _copy(name, sources)
    _build(sources / "devcluster", out)
    return Wheels(product, next(out.glob("*devcluster*.whl")), sources)


@pytest.fixture
def installed(tmp_path: Path) -> Installed:
    environment = tmp_path / "environment"
    venv.create(environment, with_pip=False, symlinks=True)
    site = Path(
        sysconfig.get_path("purelib", vars={"base": str(environment), "platbase": str(environment)})
    )
    for path in Path(sysconfig.get_path("purelib")).iterdir():
        if not re.match(r"_*(editable|spire.registrar)", path.name):
            (site / path.name).symlink_to(path)
    return Installed(environment / "bin" / "python", environment / "bin" / "spire-registrar")


def _copy(name: str, sources: Path) -> None:
    if (ROOT / name).is_dir():
        shutil.copytree(ROOT / name, sources / name, ignore=_JUNK)
    else:
        shutil.copy(ROOT / name, sources / name)


def _build(project: Path, out: Path) -> None:
    options = ("--no-build-isolation", "--wheel-dir", str(out))
    subprocess.run([*_PIP, "wheel", *_NO_INDEX, *options, str(project)], check=True, timeout=120)


def _files(wheel: Path) -> set[str]:
    """The files of a wheel, without its metadata."""
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if ".dist-info/" not in name}


def _modules(sources: Path, *packages: str) -> set[str]:
    return {
        path.relative_to(sources).as_posix()
        for package in packages
        for path in (sources / package).rglob("*.py")
    } - {path.relative_to(sources).as_posix() for path in sources.glob("*/build/**/*.py")}


def test_the_product_ships_all_of_its_modules_and_nothing_that_only_demos_need(
    wheels: Wheels,
) -> None:
    files = _files(wheels.product)
    product = ("api", "controllers", "manager", "registrar", "topology", "workloads")
    assert {name for name in files if name.endswith(".py")} == _modules(wheels.sources, *product)
    assert {name.split("/")[0] for name in files} == set(product)
    assert "registrar/gotemplate/kubernetes_types.json" in files


def test_the_other_distribution_ships_the_demo_with_what_it_reads(wheels: Wheels) -> None:
    files = _files(wheels.devcluster)
    assert {name for name in files if name.endswith(".py")} == _modules(
        wheels.sources, "demo", "devcluster"
    )
    assert {"devcluster/kubeapi/builtin.json", "devcluster/kubeapi/messages.json"} <= files
    assert "demo/samples/pods.yaml" in files


def test_the_extra_asks_for_the_version_that_is_built_from_the_same_checkout(
    wheels: Wheels,
) -> None:
    name, version, *_ = wheels.devcluster.name.split("-")
    assert version == wheels.product.name.split("-")[1]
    with zipfile.ZipFile(wheels.product) as archive:
        metadata = archive.read(f"spire_registrar-{version}.dist-info/METADATA").decode()
    required = f"Requires-Dist: {name.replace('_', '-')}=={version}; extra == 'devcluster'"
    assert required in metadata.replace('"', "'").splitlines()
    with zipfile.ZipFile(wheels.devcluster) as archive:
        metadata = archive.read(f"{name}-{version}.dist-info/METADATA").decode()
    assert f"Requires-Dist: spire-registrar=={version}" in metadata.splitlines()


@pytest.mark.parametrize("command", [["dev"], ["dev", "--csi", "--once"], ["demo"]], ids=" ".join)
def test_the_product_alone_says_what_brings_the_demo(
    wheels: Wheels, installed: Installed, tmp_path: Path, command: list[str]
) -> None:
    installed.install(wheels.product)
    ended = installed.run(*command, cwd=tmp_path)
    assert ended.returncode == 2
    assert "pip install 'spire-registrar[devcluster]'" in ended.stderr
    assert "make demo" in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


def test_the_product_alone_has_its_other_commands(
    wheels: Wheels, installed: Installed, tmp_path: Path
) -> None:
    installed.install(wheels.product)
    helped = installed.run("--help", cwd=tmp_path)
    assert helped.returncode == 0, helped.stderr
    assert re.findall(r"^    ([a-z-]+)", helped.stdout, re.MULTILINE) == [
        "run",
        "csi",
        "check",
        "plan",
        "explain",
        "doctor",
        "top",
        "render",
        "migrate",
        "cleanup",
        "generate-config",
        "wait",
        "topology",
        "completion",
    ]
    configuration = tmp_path / "registrar.conf"
    configuration.write_text(CONFIGURATION)
    checked = installed.run("check", "--config", str(configuration), cwd=tmp_path)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    unknown = installed.run("no-command", cwd=tmp_path)
    assert unknown.returncode == 2
    assert "invalid choice" in unknown.stderr


def test_the_demo_runs_outside_a_checkout_with_both(
    wheels: Wheels, installed: Installed, tmp_path: Path
) -> None:
    installed.install(wheels.product)
    installed.install(wheels.devcluster)
    assert "dev (demo)" in installed.run("--help", cwd=tmp_path).stdout
    ended = installed.run("dev", "--once", cwd=tmp_path)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "everything is as it should be" in ended.stdout
