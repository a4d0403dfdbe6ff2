"""What is told of a run: its sums, and what is kept of a failure."""

from pathlib import Path

from hack.soak.outcome import Outcome
from hack.soak.plan import Step


def summary(outcome: Outcome, lives: int) -> str:
    """Return the sums of a run, in a few lines."""
    total = sum(outcome.faults.values())
    kinds = ", ".join(f"{name} {number}" for name, number in sorted(outcome.faults.items()))
    return (
        f"{lives} lives of the servers, {outcome.rounds} rounds judged, {outcome.actions} actions, "
        f"{total} faults, {outcome.looks} looks at SPIRE; the slowest round was right after "
        f"{outcome.slowest_seconds:.1f} s; {outcome.restarts} restarts after a Lease was lost\n"
        f"faults: {kinds}"
    )


def kept(folder: Path, mode: str, seed: int, steps: list[Step], findings: list[str]) -> None:
    """Write beside the logs what failed, and the steps that `--replay` takes."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "findings.txt").write_text("\n".join(findings) + "\n", encoding="utf-8")
    text = "".join(f"{line}\n" for line in told(mode, seed, steps))
    (folder / "steps.txt").write_text(text, encoding="utf-8")


def told(mode: str, seed: int, steps: list[Step]) -> list[str]:
    """Return the lines that `replayed` reads."""
    return [f"# mode {mode}", f"# seed {seed}", *map(str, steps)]


def replayed(file: Path) -> tuple[str, list[Step]]:
    """Return the mode and the steps of such a file.

    Raises:
        ValueError: it is none.

    """
    lines = file.read_text(encoding="utf-8").splitlines()
    mode = lines[0].removeprefix("# mode ") if lines else ""
    steps = [Step.parsed(line) for line in lines if line and not line.startswith("#")]
    return mode, steps
