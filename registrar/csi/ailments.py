"""What can be wrong with a volume: a word for Events and metrics, and words for a person. Pure."""

from dataclasses import dataclass
from datetime import UTC, datetime

from registrar.spire.gate import Problem, Trouble

WAITING_FOR_ENTRY = "WaitingForEntry"
SVID_EXPIRED = "SVIDExpired"
SVID_EXPIRING = "SVIDExpiring"
SVID_GONE = "SVIDGone"
SVID_REFUSED = "SVIDRefused"
FILES_NOT_WRITTEN = "FilesNotWritten"
TOKEN_NOT_RENEWED = "JWTSVIDNotRenewed"  # noqa: S105 - the name of a trouble
BUNDLE_LEFT_OUT = "BundleLeftOut"
NOT_SHOWN = "WorkloadAPINotShown"

REASONS = (
    WAITING_FOR_ENTRY,
    *(trouble.value for trouble in Trouble),
    SVID_EXPIRED,
    SVID_EXPIRING,
    SVID_GONE,
    SVID_REFUSED,
    FILES_NOT_WRITTEN,
    TOKEN_NOT_RENEWED,
    BUNDLE_LEFT_OUT,
    NOT_SHOWN,
)
"""Every word that there is, each bounds a label of a metric."""

PATIENT = frozenset(
    {SVID_GONE, SVID_REFUSED, FILES_NOT_WRITTEN, TOKEN_NOT_RENEWED, BUNDLE_LEFT_OUT}
)
"""What often passes by itself: nobody is told of it at once."""

_LEFT_SHARE = 0.2
"""Agents renew an SVID at half of its life: one with so little left should have been."""


@dataclass(frozen=True, slots=True)
class Ailment:
    """What is wrong; the reason is one of ``REASONS``."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How a volume stands; texts are empty for nothing. Times are Unix seconds.

    ``waiting`` is what it waits for, or why nothing newer comes. ``expires_at`` is that of the
    SVID in the files that expires first, None before there is any; ``life_seconds`` how long
    that one had to live when it came. ``away_seconds``: since when the agent has given nothing but
    ``problem``.
    """

    waiting: Ailment
    expires_at: float | None
    life_seconds: float
    failure: str
    problem: Problem | None
    away_seconds: float
    stale_tokens: str
    missing: Ailment | None
    left_out: str


def ailment_of(volume: Standing, now: float, patience_seconds: float) -> Ailment | None:
    """The worst that is wrong with a volume; None for nothing.

    An agent may be away for ``patience_seconds`` without being missed.
    """
    if volume.expires_at is None:
        return Ailment(volume.waiting.reason, f"no SVID yet: {volume.waiting.message}")
    left = volume.expires_at - now
    if left <= 0:
        return Ailment(SVID_EXPIRED, f"the SVID has expired: {volume.waiting.message}")
    if left < volume.life_seconds * _LEFT_SHARE:
        until = datetime.fromtimestamp(volume.expires_at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        why = f"the SVID expires at {until}, and there is no newer one: {volume.waiting.message}"
        return Ailment(SVID_EXPIRING, why)
    if volume.failure:
        return Ailment(FILES_NOT_WRITTEN, volume.failure)
    if volume.problem is not None and volume.away_seconds > patience_seconds:
        why = f"for more than {patience_seconds:g} s: {volume.problem.message}"
        return Ailment(volume.problem.trouble.value, why)
    if volume.stale_tokens:
        why = f"the JWT-SVID is not renewed: {volume.stale_tokens}"
        return Ailment(TOKEN_NOT_RENEWED, why)
    if volume.missing is not None:
        return volume.missing
    return Ailment(BUNDLE_LEFT_OUT, volume.left_out) if volume.left_out else None
