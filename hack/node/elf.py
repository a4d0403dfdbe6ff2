"""Reads from a binary whether it needs shared libraries, and finds them.

An image without a distribution gets exactly the files that its programs are loaded with.
"""

import re
import struct
import subprocess
from pathlib import Path

from hack.compilers import ToolError

_PT_INTERP = 3
_LIBRARY = re.compile(r"(/\S+) \(0x[0-9a-f]+\)$")


def interpreter(binary: Path) -> str:
    """Return the path of the loader that the binary asks for, empty for a static one.

    Raises:
        ToolError: it is no 64-bit ELF file of this machine's byte order.

    """
    with binary.open("rb") as file:
        header = file.read(64)
        # 2 is the class of 64-bit files, 1 is little-endian.
        if len(header) < 64 or header[:6] != b"\x7fELF\x02\x01":
            raise ToolError(f"{binary} is no 64-bit Linux program")
        (table,) = struct.unpack_from("<Q", header, 32)
        entry_size, entries = struct.unpack_from("<HH", header, 54)
        for number in range(entries):
            file.seek(table + number * entry_size)
            kind, _, offset, _, _, size = struct.unpack("<IIQQQQ", file.read(40))
            if kind == _PT_INTERP:
                file.seek(offset)
                return file.read(size).rstrip(b"\0").decode()
    return ""


def libraries(binary: Path) -> list[str]:
    """Return the paths of the loader and of all libraries that the binary is loaded with.

    Raises:
        ToolError: the loader does not find them.

    """
    loader = interpreter(binary)
    if not loader:
        return []
    finished = subprocess.run(
        [loader, "--list", str(binary)], capture_output=True, text=True, check=False
    )
    if finished.returncode != 0:
        raise ToolError(f"{loader} --list {binary} failed: {finished.stderr.strip()}")
    found = [_LIBRARY.search(line) for line in finished.stdout.splitlines()]
    return sorted({loader, *(match.group(1) for match in found if match)})
