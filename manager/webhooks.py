"""The validating webhook of the controller manager's kinds, on every replica."""

import asyncio
from collections.abc import Callable, Mapping
from typing import TypeVar

from api.admission import AdmissionRequest
from api.codec import DecodeError, decode
from api.kinds import (
    CLUSTER_FEDERATED_TRUST_DOMAIN,
    CLUSTER_SPIFFEID,
    CLUSTER_STATIC_ENTRY,
    Kind,
)
from api.meta import KubeObject
from registrar.admission.cabundle import TrustKeeper
from registrar.admission.certificates import Minter, ServingCertificate
from registrar.admission.review import ALLOWED, Validator, Verdict
from registrar.admission.server import serve
from registrar.claims.admission import (
    problem_of_static_entry,
    problem_of_template,
    problem_of_trust_domain,
)
from registrar.claims.podtemplate import Surroundings
from registrar.kube.session import Session
from registrar.settings.model import Webhooks

T = TypeVar("T", bound=KubeObject)


class AdmissionWebhooks:
    """Serves until cancelled; ``problem`` is for the readiness probe."""

    def __init__(
        self,
        settings: Webhooks,
        *,
        surroundings: Surroundings,
        session: Session,
        minter: Minter,
    ) -> None:
        self._settings = settings
        self._surroundings = surroundings
        self._trust = TrustKeeper(session, minter, name=settings.configuration_name)
        self._certificate = ServingCertificate(
            minter,
            spiffe_id=f"spiffe://{surroundings.trust_domain}/spire-controller-manager-webhook",
            dns_names=self._trust.dns_names,
        )
        self.port = 0
        """Where it listens, once it does."""

    def problem(self) -> str | None:
        """None while it serves, else why not."""
        return None if self.port else self._certificate.problem or "not listening yet"

    async def run(self) -> None:
        """Serve until cancelled. Raises InvalidField for an address that cannot be had."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._certificate.run())
            tasks.create_task(self._trust.run())
            await self._certificate.ready.wait()
            async with serve(
                self._settings.host,
                self._settings.port,
                context=self._certificate.context,
                validators=self._validators(),
            ) as port:
                self.port = port
                try:
                    await asyncio.Event().wait()
                finally:
                    self.port = 0

    def _validators(self) -> Mapping[str, Validator]:
        """By the paths that the original's configurations name."""
        around, trust_domain = self._surroundings, self._surroundings.trust_domain
        return {
            _path(CLUSTER_SPIFFEID): _checking(
                CLUSTER_SPIFFEID, lambda obj: problem_of_template(obj, around)
            ),
            _path(CLUSTER_STATIC_ENTRY): _checking(
                CLUSTER_STATIC_ENTRY, lambda obj: problem_of_static_entry(obj, trust_domain)
            ),
            _path(CLUSTER_FEDERATED_TRUST_DOMAIN): _checking(
                CLUSTER_FEDERATED_TRUST_DOMAIN,
                lambda obj: problem_of_trust_domain(obj, trust_domain),
            ),
        }


def _path(kind: Kind[T]) -> str:
    group = kind.group.replace(".", "-")
    return f"/validate-{group}-{kind.version}-{kind.kind.lower()}"


def _checking(kind: Kind[T], problem_of: Callable[[T], str]) -> Validator:
    def validate(request: AdmissionRequest) -> Verdict:
        if request.operation not in {"CREATE", "UPDATE"}:
            return ALLOWED
        try:
            obj = decode(bytes(request.object), kind.type)
        except DecodeError as error:
            return Verdict(allowed=False, message=f"{error}: correct the object")
        problem = problem_of(obj)
        return Verdict(allowed=False, message=problem) if problem else ALLOWED

    return validate
