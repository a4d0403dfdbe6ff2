"""What a cluster that no machine here can hold would need, worked out from what was measured.

    python hack/capacity.py
    python hack/capacity.py --pods 100000 --entries-per-pod 3 --registrars 5

One registrar's share of the Pods, the SPIRE server that all of them write to, and the API server's
store. It is arithmetic, and a queue of one server whose work takes as long as it took when it was
measured (docs/performance.md); nothing here is asked of a real server.
"""

import argparse
import sys
from dataclasses import dataclass

MIB = 2**20
ETCD_DEFAULT_MIB = 2048
"""etcd refuses writes beyond that, unless it is told otherwise (up to 8 GiB are advised)."""


@dataclass(frozen=True)
class Costs:
    """What one of each took; see "What a cluster does to it as it grows" in docs/performance.md."""

    base_mb: float = 85.0
    pod_kb: float = 4.0
    entry_kb: float = 2.5
    create_ms: float = 1.3
    """SPIRE, SQLite with statistics: it makes one entry after the other, however many ask."""
    list_ms: float = 0.2
    """SPIRE and the registrar together, for one entry in a list of all; an estimate."""
    look_ms: float = 0.25
    """The registrar, for one Pod at a start; an estimate."""
    record_bytes: int = 1500
    """A SpireEntry as etcd keeps it."""
    record_ms: float = 5.0
    """One write to the API server while nobody waits for an entry."""


@dataclass(frozen=True)
class Fleet:
    """A cluster, and how many registrars share it: by class name, or by cacheNamespaces."""

    pods: int
    entries_per_pod: int
    registrars: int
    churn: float
    """Pods a second that come, and as many that go."""

    @property
    def entries(self) -> int:
        """All entries on the SPIRE server."""
        return self.pods * self.entries_per_pod


@dataclass(frozen=True)
class Needs:
    """What comes of it."""

    registrar_mb: float
    start_seconds: float
    all_at_once_seconds: float
    busy_percent: float
    """How much of the time SPIRE's one writer is busy with Pods that come and go."""
    drift_percent: float
    """And with lists of all entries: a registrar looks every ``drift_seconds``, and rests nine
    times as long as a look takes."""
    records_mib: float


def needs(fleet: Fleet, costs: Costs, *, drift_seconds: float) -> Needs:
    """What each registrar and the servers need."""
    pods = fleet.pods / fleet.registrars
    entries = fleet.entries / fleet.registrars
    # Each registrar lists what all have made: SPIRE 1.13 has no filter by the beginning of an ID.
    listing = fleet.entries * costs.list_ms / 1000
    writes = 2 * fleet.churn * fleet.entries_per_pod
    return Needs(
        registrar_mb=costs.base_mb + (pods * costs.pod_kb + entries * costs.entry_kb) / 1000,
        start_seconds=listing + pods * costs.look_ms / 1000,
        all_at_once_seconds=fleet.entries * costs.create_ms / 1000,
        busy_percent=writes * costs.create_ms / 10,
        drift_percent=fleet.registrars * listing / max(drift_seconds, 10 * listing) * 100,
        records_mib=fleet.entries * costs.record_bytes / MIB,
    )


def burst(fleet: Fleet, costs: Costs, arrivals: float) -> list[tuple[float, int]]:
    """How many entries wait, second by second, when all Pods come at a steady pace."""
    waiting, made, time, points = 0.0, 0.0, 0, [(0.0, 0)]
    while made < fleet.entries:
        coming = min(arrivals * fleet.entries_per_pod, fleet.entries - made - waiting)
        done = min(waiting + coming, 1000 / costs.create_ms)
        waiting += coming - done
        made += done
        time += 1
        points.append((float(time), round(waiting)))
    return points


def limits(found: Needs) -> list[str]:
    """What is too much, the worst first."""
    ratios = [
        (found.busy_percent / 70, "SPIRE's writer: more Pods come than it can make entries for"),
        (found.drift_percent / 20, "lists of all entries: look less often"),
        (found.records_mib / ETCD_DEFAULT_MIB, "etcd's default size: raise its quota"),
        (found.registrar_mb / 2000, "memory of a registrar: share the Pods among more"),
        (found.start_seconds / 120, "the time of a start: share the Pods among more"),
    ]
    return [text for ratio, text in sorted(ratios, reverse=True) if ratio > 1]


def _row(fleet: Fleet, costs: Costs, drift_seconds: float) -> str:
    found = needs(fleet, costs, drift_seconds=drift_seconds)
    most = max(waiting for _, waiting in burst(fleet, costs, 500.0))
    cells = (
        f"{fleet.pods:,}",
        f"{fleet.entries:,}",
        str(fleet.registrars),
        f"{found.registrar_mb:,.0f}",
        f"{found.start_seconds:,.0f}",
        f"{found.all_at_once_seconds:,.0f}",
        f"{most:,}",
        f"{found.busy_percent:.0f}",
        f"{found.drift_percent:.0f}",
        f"{found.records_mib:,.0f}",
        "; ".join(limits(found)) or "none",
    )
    return f"| {' | '.join(cells)} |"


def main() -> int:
    """Print the table; returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--pods", type=int, action="append", help="may be given several times")
    parser.add_argument("--entries-per-pod", type=int, default=3)
    parser.add_argument(
        "--registrars", type=int, action="append", help="may be given several times"
    )
    parser.add_argument("--churn", type=float, default=20.0, help="Pods a second that come and go")
    parser.add_argument("--drift-seconds", type=float, default=30.0, help="drift_interval")
    arguments = parser.parse_args()
    print(
        "| Pods | entries | registrars | MB of each | start, s | all entries made, s | most that "
        "wait, 500 Pods a second | SPIRE's writer busy, % | … with lists, % | records, MiB | over |"
    )
    print("|" + "---|" * 11)
    for pods in arguments.pods or (10_000, 30_000, 100_000):
        for registrars in arguments.registrars or (1, 5):
            fleet = Fleet(pods, arguments.entries_per_pod, registrars, arguments.churn)
            print(_row(fleet, Costs(), arguments.drift_seconds))
    return 0


if __name__ == "__main__":
    sys.exit(main())
