"""The validating webhooks, on every replica: of the controller manager's kinds, of SpiffeIDs."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import TypeVar

from api.admission import AdmissionRequest
from api.codec import DecodeError, decode, decode_object
from api.kinds import (
    CLUSTER_FEDERATED_TRUST_DOMAIN,
    CLUSTER_SPIFFEID,
    CLUSTER_STATIC_ENTRY,
    SPIFFE_ID,
    Kind,
)
from api.meta import KubeObject
from api.spiffeid.v1beta1.spiffeid import SpiffeID
from registrar.admission.cabundle import TrustKeeper
from registrar.admission.certificates import Minter, ServingCertificate
from registrar.admission.review import ALLOWED, Judgement, Validator, Verdict, settled
from registrar.admission.server import serve
from registrar.claims.admission import (
    problem_of_duplicate,
    problem_of_static_entry,
    problem_of_template,
    problem_of_trust_domain,
)
from registrar.claims.claim import Claim
from registrar.claims.podtemplate import Surroundings
from registrar.claims.spiffeid import claim_of
from registrar.errors import InvalidField
from registrar.identity.entry import EntryKey
from registrar.kube.session import Session
from registrar.settings.model import SpiffeIDWebhook, Webhooks

T = TypeVar("T", bound=KubeObject)


class AdmissionWebhooks:
    """Serves until cancelled; ``problem`` is for the readiness probe.

    ``field`` is the setting that names the port.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        field: str,
        certificate: ServingCertificate,
        trust: TrustKeeper,
        validators: Mapping[str, Validator],
    ) -> None:
        self._host = host
        self._port = port
        self._field = field
        self._certificate = certificate
        self._trust = trust
        self._validators = validators
        self.port = 0
        """Where it listens, once it does."""

    def problem(self) -> str | None:
        """None while it serves, else why not."""
        return None if self.port else self._certificate.problem or "not listening yet"

    @property
    def certificate_ends(self) -> datetime | None:
        """When the certificate in use ends."""
        return self._certificate.ends

    async def run(self) -> None:
        """Serve until cancelled. Raises InvalidField for an address that cannot be had."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._certificate.run())
            tasks.create_task(self._trust.run())
            await self._certificate.ready.wait()
            async with serve(
                self._host,
                self._port,
                context=self._certificate.context,
                validators=self._validators,
                field=self._field,
            ) as port:
                self.port = port
                try:
                    await asyncio.Event().wait()
                finally:
                    self.port = 0


def controller_manager_webhooks(
    settings: Webhooks, *, surroundings: Surroundings, session: Session, minter: Minter
) -> AdmissionWebhooks:
    """Those of the controller manager's three kinds; who calls them is in their configuration."""
    trust = TrustKeeper(session, minter, name=settings.configuration_name)
    trust_domain = surroundings.trust_domain
    return AdmissionWebhooks(
        settings.host,
        settings.port,
        field="webhook.port",
        certificate=_certificate(
            minter, trust_domain, "spire-controller-manager-webhook", trust.dns_names
        ),
        trust=trust,
        # By the paths that the original's configurations name.
        validators={
            _path(CLUSTER_SPIFFEID): _checking(
                CLUSTER_SPIFFEID, lambda obj: problem_of_template(obj, surroundings)
            ),
            _path(CLUSTER_STATIC_ENTRY): _checking(
                CLUSTER_STATIC_ENTRY, lambda obj: problem_of_static_entry(obj, trust_domain)
            ),
            _path(CLUSTER_FEDERATED_TRUST_DOMAIN): _checking(
                CLUSTER_FEDERATED_TRUST_DOMAIN,
                lambda obj: problem_of_trust_domain(obj, trust_domain),
            ),
        },
    )


def spiffe_id_webhook(
    settings: SpiffeIDWebhook,
    *,
    trust_domain: str,
    own_namespace: str,
    claims_on: Callable[[EntryKey], Iterable[Claim]],
    allows_downstream: bool,
    session: Session,
    minter: Minter,
) -> AdmissionWebhooks:
    """That of SpiffeIDs; its Service is in the configuration and lies in our own namespace."""
    host = f"{settings.service_name}.{own_namespace}.svc"

    async def dns_names() -> list[str]:
        return [host, f"{host}.cluster.local"]

    def judge(obj: SpiffeID) -> Judgement:
        try:
            claim = claim_of(
                obj,
                trust_domain=trust_domain,
                own_namespace=own_namespace,
                allows_downstream=allows_downstream,
            )
        except InvalidField as error:
            return settled(_verdict(str(error)))
        # The claims of others change on the event loop, so they are looked at there.
        return lambda: _verdict(problem_of_duplicate(claim, obj, claims_on))

    return AdmissionWebhooks(
        settings.host,
        settings.port,
        field="webhook_port",
        certificate=_certificate(minter, trust_domain, "k8s-workload-registrar-webhook", dns_names),
        trust=TrustKeeper(session, minter, name=settings.configuration_name),
        validators={_path(SPIFFE_ID): _judging(SPIFFE_ID, judge)},
    )


def _certificate(
    minter: Minter,
    trust_domain: str,
    path: str,
    dns_names: Callable[[], Awaitable[Sequence[str]]],
) -> ServingCertificate:
    return ServingCertificate(
        minter, spiffe_id=f"spiffe://{trust_domain}/{path}", dns_names=dns_names
    )


def _path(kind: Kind[T]) -> str:
    group = kind.group.replace(".", "-")
    return f"/validate-{group}-{kind.version}-{kind.kind.lower()}"


def _checking(kind: Kind[T], problem_of: Callable[[T], str]) -> Validator:
    """What is settled by the object alone."""
    return _judging(kind, lambda obj: settled(_verdict(problem_of(obj))))


def _judging(kind: Kind[T], judge: Callable[[T], Judgement]) -> Validator:
    def validate(request: AdmissionRequest) -> Judgement:
        if request.operation not in {"CREATE", "UPDATE"}:
            return settled(ALLOWED)
        if request.operation == "UPDATE" and _asks_for_nothing(request):
            return settled(ALLOWED)
        try:
            obj = decode(bytes(request.object), kind.type)
        except DecodeError as error:
            return settled(_verdict(f"{error}: correct the object"))
        return judge(obj)

    return validate


def _verdict(problem: str) -> Verdict:
    return Verdict(allowed=False, message=problem) if problem else ALLOWED


def _asks_for_nothing(request: AdmissionRequest) -> bool:
    """Whether an edit leaves the spec alone, or is of an object that goes.

    What is wrong already must not keep its labels, nor a finalizer that holds up its deletion.
    """
    try:
        obj = decode(bytes(request.object), KubeObject)
        new, old = (decode_object(bytes(raw)) for raw in (request.object, request.old_object))
    except DecodeError:
        return False
    return obj.metadata.deletion_timestamp is not None or new.get("spec") == old.get("spec")
