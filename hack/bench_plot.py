"""Draw what ``bench.py --json FILE`` wrote, as SVG.

    pip install -e '.[bench]'; python hack/bench_plot.py FILE FOLDER

Three pictures: what one entry takes the more there are, how entries follow a mass of Pods, and
what one Pod waits before, just after and long after that.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypedDict

import matplotlib as mpl
from matplotlib import pyplot as plt

mpl.use("svg")
# The same figures give the same file.
mpl.rcParams["svg.hashsalt"] = "spire-registrar"

_SINGLE = "one Pod, "
_SIZE = (8.0, 4.5)


class Curve(TypedDict):
    """A line of a picture."""

    title: str
    points: list[tuple[float, float]]


class Figure(TypedDict):
    """A row of the table."""

    name: str
    samples: int
    values: Mapping[str, float]


class Document(TypedDict):
    """What the benchmark wrote."""

    figures: list[Figure]
    bursts: list[Curve]
    creates: list[Curve]


def lines(path: Path, curves: Sequence[Curve], *, across: str, up: str, title: str) -> None:
    """A picture of curves."""
    picture, axes = plt.subplots(figsize=_SIZE)
    for curve in curves:
        axes.plot(*zip(*curve["points"], strict=True), label=curve["title"])
    axes.set(xlabel=across, ylabel=up, title=title, xlim=(0, None), ylim=(0, None))
    _save(path, picture, axes)


def panels(path: Path, curves: Sequence[Curve], *, across: str, up: str) -> None:
    """A picture of curves, with one panel for each database, which their titles name last."""
    by_database: dict[str, list[Curve]] = {}
    for curve in curves:
        by_database.setdefault(curve["title"].rpartition("; ")[2], []).append(curve)
    rows = -(-len(by_database) // 2)
    picture, places = plt.subplots(rows, 2, figsize=(10.0, 3.2 * rows), squeeze=False)
    for axes, (database, found) in zip(places.flat, by_database.items(), strict=False):
        for curve in found:
            points = zip(*curve["points"], strict=True)
            axes.plot(*points, label=curve["title"].rpartition("; ")[0])
        axes.set(xlabel=across, ylabel=up, title=database, xlim=(0, None), ylim=(0, None))
    for axes in places.flat[len(by_database) :]:
        axes.remove()
    _save(path, picture, *places.flat[: len(by_database)])


def singles(path: Path, figures: Sequence[Figure]) -> None:
    """A picture of what one Pod waits: a group of bars for each controller and database."""
    waits: dict[str, dict[str, float]] = {}
    for figure in figures:
        who, _, what = figure["name"].rpartition(": ")
        if what.startswith(_SINGLE):
            when = what.removeprefix(_SINGLE)
            # The number of entries differs a little from run to run.
            when = "when it rests again" if when[0].isdigit() else when
            waits.setdefault(when, {})[who] = figure["values"]["p50"]
    picture, axes = plt.subplots(figsize=_SIZE)
    height = 0.8 / max(1, len(waits))
    names = list(dict.fromkeys(name for found in waits.values() for name in found))
    for number, (when, found) in enumerate(waits.items()):
        places = [names.index(name) + number * height for name in found]
        axes.barh(places, list(found.values()), height, label=when)
    axes.set_yticks([place + 0.4 - height / 2 for place in range(len(names))], names, fontsize=7)
    axes.set(xlabel="p50, ms", xscale="log", title="One Pod until its entry is stored")
    axes.invert_yaxis()
    _save(path, picture, axes)


def _save(path: Path, picture: "plt.Figure", *panels: "plt.Axes") -> None:
    for axes in panels:
        axes.legend(fontsize=7)
        axes.grid(visible=True, alpha=0.3)
    picture.tight_layout()
    picture.savefig(path, metadata={"Date": None})
    # A line of spaces less in what is committed.
    text = path.read_text(encoding="utf-8")
    path.write_text("\n".join(line.rstrip() for line in text.splitlines()) + "\n", encoding="utf-8")


def draw(document: Document, folder: Path) -> list[Path]:
    """Draw all; gives the files."""
    folder.mkdir(parents=True, exist_ok=True)
    creates, burst, waits = (
        folder / f"{name}.svg" for name in ("create-over-entries", "burst", "one-pod")
    )
    lines(
        creates,
        document["creates"],
        across="entries that share the parent",
        up="CPU of the server for one entry, ms",
        title="What SPIRE itself takes for one entry, in calls of 100",
    )
    panels(
        burst,
        document["bursts"],
        across="seconds since the first Pod",
        up="Pods with their entry",
    )
    if any(_SINGLE in figure["name"] for figure in document["figures"]):
        singles(waits, document["figures"])
        return [creates, burst, waits]
    return [creates, burst]


def main() -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path, help="what bench.py --mode burst --json wrote")
    parser.add_argument("folder", type=Path, help="where the pictures go")
    arguments = parser.parse_args()
    document: Document = json.loads(arguments.file.read_text(encoding="utf-8"))
    for path in draw(document, arguments.folder):
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
