"""A target led by coverage: libFuzzer, by way of atheris, which is no part of ``make setup``.

Used by ``make fuzz ARGS="--atheris template"``; ``.venv/bin/pip install .[fuzz]`` brings it.
"""

import sys
from pathlib import Path

from tests.fuzz.harness import CORPUS, ROOT, check

_SLOWEST_SECONDS = 60
_MOST_MEGABYTES = 2048


def run(name: str, *, seconds: int) -> int:
    """Fuzz one target for so long. Ends the process by itself where libFuzzer gets to run."""
    try:
        import atheris  # noqa: PLC0415 - often not installed
    except ImportError:
        print("atheris is not installed: .venv/bin/pip install '.[fuzz]'", file=sys.stderr)
        return 2
    with atheris.instrument_imports(include=["api", "registrar"]):
        from tests.fuzz.targets import TARGETS  # noqa: PLC0415 - instrumented while it is imported
    if name not in TARGETS:
        print(f"no target {name}: one of {', '.join(TARGETS)}", file=sys.stderr)
        return 2
    target, kept = TARGETS[name], CORPUS / name
    grown = ROOT / ".hypothesis" / "atheris" / name
    for folder in (kept, grown):
        folder.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(target.seeds):
        Path(grown / f"seed-{number}").write_bytes(seed)
    options = [
        f"-max_total_time={seconds}",
        f"-timeout={_SLOWEST_SECONDS}",
        # Slow alone is no fault: the target has bounds of its own.
        f"-report_slow_units={_SLOWEST_SECONDS}",
        f"-rss_limit_mb={_MOST_MEGABYTES}",
        f"-artifact_prefix={kept}/found-",
    ]
    # Only the first folder is written to.
    atheris.Setup([sys.argv[0], *options, str(grown), str(kept)], lambda data: check(target, data))
    atheris.Fuzz()
    return 0
