"""Programs for tests that only look at programs."""

from pathlib import Path


def static_program(path: Path) -> Path:
    """Write an ELF file for 64 bit, little-endian, that asks for no loader; return its path."""
    path.write_bytes(b"\x7fELF\x02\x01\x01".ljust(64, b"\0"))
    path.chmod(0o755)
    return path
