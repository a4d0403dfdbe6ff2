"""How long the X.509 authorities of a bundle last."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography import x509


@dataclass(frozen=True, slots=True)
class Lasting:
    """The authority that ends last. A server prepares the next one at half of its time."""

    begins: datetime
    ends: datetime

    @property
    def has_ended(self) -> bool:
        """Whether nothing of the bundle is valid any more."""
        return self.ends <= datetime.now(UTC)

    @property
    def is_late(self) -> bool:
        """Whether the next one should have been seen for long."""
        return self.ends - datetime.now(UTC) < (self.ends - self.begins) / 4


def lasting(authorities: Iterable[bytes]) -> Lasting | None:
    """Of the DER of certificates; None without one. Raises ValueError for what is none."""
    found = [x509.load_der_x509_certificate(der) for der in authorities]
    spans = [Lasting(each.not_valid_before_utc, each.not_valid_after_utc) for each in found]
    return max(spans, key=lambda span: span.ends, default=None)
