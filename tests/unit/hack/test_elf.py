"""What programs say of the libraries that they need."""

import struct
import sys
from pathlib import Path

import pytest

from hack.compilers import ToolError
from hack.node import elf
from tests.support.elf import static_program


def test_a_program_without_a_loader_is_static(tmp_path: Path) -> None:
    program = static_program(tmp_path / "tool")
    assert elf.interpreter(program) == ""
    assert elf.libraries(program) == []


def test_finds_the_loader_and_the_libraries_of_a_dynamic_program() -> None:
    python = Path(sys.executable).resolve()
    found = elf.libraries(python)
    assert elf.interpreter(python) in found
    assert any("libc." in path for path in found)
    assert all(Path(path).exists() for path in found)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"#!/bin/sh\n" + b" " * 64, id="script"),
        pytest.param(b"\x7fELF\x01\x01" + bytes(64), id="32 bit"),
        pytest.param(struct.pack(">6s", b"\x7fELF\x02\x02") + bytes(64), id="big-endian"),
    ],
)
def test_names_a_file_that_is_no_program_of_this_machine(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "tool"
    path.write_bytes(content)
    with pytest.raises(ToolError, match=f"{path} is no 64-bit Linux program"):
        elf.interpreter(path)
