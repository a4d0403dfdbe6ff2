"""Write the gRPC stubs of ``api/proto`` anew.

python hack/generate_protos.py

Needs grpcio-tools 1.76.0 and mypy-protobuf (the ``dev`` extra): stubs demand
at import the versions that generated them, or later ones, so the oldest
supported version generates. Any other version is refused, so that the
committed stubs can be compared byte by byte.
"""

import sys
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROTOS = Path("api/proto")
GRPCIO_TOOLS = "1.76.0"
SUFFIXES = ("_pb2.py", "_pb2.pyi", "_pb2_grpc.py", "_pb2_grpc.pyi")


def generate(root: Path) -> None:
    """Write the stubs of every ``.proto`` file of the checkout below ``root``.

    They land in ``root / "api/proto"``, which is made if need be. Raises
    RuntimeError when the generator has another version or fails.
    """
    found = version("grpcio-tools")
    if found != GRPCIO_TOOLS:
        raise RuntimeError(f"grpcio-tools {GRPCIO_TOOLS} is needed, not {found}")
    # Imported late: the rest of hack/ must work without the generator.
    from grpc_tools import protoc  # noqa: PLC0415

    (root / PROTOS).mkdir(parents=True, exist_ok=True)
    plugins = Path(sys.executable).parent
    sources = sorted(str(path.relative_to(ROOT)) for path in (ROOT / PROTOS).glob("*.proto"))
    code = protoc.main(
        [
            "protoc",
            f"--proto_path={ROOT}",
            f"--proto_path={files('grpc_tools') / '_proto'}",
            f"--plugin=protoc-gen-mypy={plugins / 'protoc-gen-mypy'}",
            f"--plugin=protoc-gen-mypy_grpc={plugins / 'protoc-gen-mypy_grpc'}",
            f"--python_out={root}",
            f"--grpc_python_out={root}",
            f"--mypy_out=quiet:{root}",
            f"--mypy_grpc_out=quiet:{root}",
            *sources,
        ]
    )
    if code:
        raise RuntimeError(f"protoc failed with exit code {code}")


def outputs() -> list[Path]:
    """The paths of all stubs, from the root of the repository."""
    sources = sorted((ROOT / PROTOS).glob("*.proto"))
    return [PROTOS / f"{source.stem}{suffix}" for source in sources for suffix in SUFFIXES]


if __name__ == "__main__":
    generate(ROOT)
