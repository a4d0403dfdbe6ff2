"""A federation relationship: where the bundle of another trust domain comes from."""

from dataclasses import dataclass
from typing import Literal

from registrar.identity.bundle import Bundle

Profile = Literal["https_web", "https_spiffe"]


@dataclass(frozen=True, slots=True)
class Relationship:
    """``endpoint_spiffe_id`` goes with the profile https_spiffe alone.

    ``bundle`` is what the relationship begins with; the server replaces it by
    what the endpoint shows, so it is no property to compare.
    """

    trust_domain: str
    url: str
    profile: Profile
    endpoint_spiffe_id: str = ""
    bundle: Bundle | None = None

    def points_like(self, other: "Relationship") -> bool:
        """Whether both name the same endpoint, reached the same way."""
        return (self.url, self.profile, self.endpoint_spiffe_id) == (
            other.url,
            other.profile,
            other.endpoint_spiffe_id,
        )
