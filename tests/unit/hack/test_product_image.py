"""When the product's image is built again, and from which Dockerfile it can be."""

from pathlib import Path

import pytest

from hack.compilers import ToolError
from hack.node import product_image

DOCKERFILE = """\
FROM python:3.13-slim AS build
COPY --chown=1:1 one.lock two.cfg \\
  ./
COPY code ./code
RUN true
FROM python:3.13-slim
COPY --from=build /opt /opt
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / "Dockerfile").write_text(DOCKERFILE)
    for name in (".dockerignore", "one.lock", "two.cfg", "README.md", "code/a/b.py"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return tmp_path


def digest(checkout: Path) -> str:
    return product_image.recipe(checkout / "storage", print, checkout).digest


@pytest.mark.parametrize(
    "name", ["Dockerfile", ".dockerignore", "one.lock", "two.cfg", "code/a/b.py", "code/new.py"]
)
def test_is_another_when_something_that_goes_into_it_changes(checkout: Path, name: str) -> None:
    before = digest(checkout)
    with (checkout / name).open("a") as file:
        file.write("\n# changed\n")
    assert digest(checkout) != before


def test_is_another_when_a_file_moves_or_becomes_executable(checkout: Path) -> None:
    seen = {digest(checkout)}
    (checkout / "code/a/b.py").chmod(0o755)
    seen.add(digest(checkout))
    (checkout / "code/a/b.py").rename(checkout / "code/a/c.py")
    seen.add(digest(checkout))
    assert len(seen) == 3


@pytest.mark.parametrize("name", ["README.md", "code/a/__pycache__/b.pyc", "code/a/b.pyc"])
def test_is_the_same_when_something_else_changes(checkout: Path, name: str) -> None:
    before = digest(checkout)
    (checkout / name).parent.mkdir(exist_ok=True)
    (checkout / name).write_text("changed")
    assert digest(checkout) == before


@pytest.mark.parametrize(
    ("base", "said"),
    [
        pytest.param("FROM node:24", "node:24, python:3.13-slim", id="two bases"),
        pytest.param("FROM build", None, id="a stage of its own"),
        pytest.param("FROM python:3.13-slim as other", None, id="the same again"),
    ],
)
def test_names_a_base_that_has_no_stand_in(checkout: Path, base: str, said: str | None) -> None:
    with (checkout / "Dockerfile").open("a") as file:
        file.write(f"{base}\n")
    if said is None:
        assert digest(checkout)
    else:
        with pytest.raises(ToolError, match=rf"starts from {said}; there are stand-ins for: py"):
            digest(checkout)


def test_can_be_built_from_the_projects_own_dockerfile() -> None:
    recipe = product_image.recipe(Path("/not/used"), print)
    assert recipe.title == "spire-registrar"


def test_the_workloads_are_an_image_of_the_same_files() -> None:
    product = product_image.recipe(Path("/not/used"), print)
    workloads = product_image.recipe(Path("/not/used"), print, target="workloads")
    assert (product.title, workloads.title) == ("spire-registrar", "spire-workloads")
    assert product.digest == workloads.digest
    assert "FROM runtime AS workloads" in (product_image.CHECKOUT / "Dockerfile").read_text()
