"""The HTTPS server of webhook mode: hears of Pods before they are stored, and lets all pass."""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime

import msgspec

from api.admission import AdmissionRequest
from api.codec import DecodeError, decode
from api.core import Pod
from api.errors import shortened
from api.meta import ObjectKey
from registrar.admission.mutualtls import MutualTLS
from registrar.admission.review import ALLOWED, Judgement, Verdict, settled
from registrar.admission.server import EVERY_PATH, serve
from registrar.claims.announced import AnnouncedPods
from registrar.settings.model import WebhookMode
from registrar.telemetry.logging import kv

log = logging.getLogger(__name__)

_MOST_STRANGE = 100
"""Kinds that are spoken of: whoever may ask can make names up."""
_MOST_SHOWN = 100
"""Characters of such a name that are kept and shown."""


class PodWebhook:
    """Serves until cancelled; ``problem`` is for the readiness probe.

    It answers at once, whatever the SPIRE server does: what it hears waits in
    ``announced`` until a term of leadership acts on it. ``created`` is told of each
    Pod that is to be created, ``wake`` of each that is to be changed or deleted.
    """

    def __init__(
        self,
        config: WebhookMode,
        announced: AnnouncedPods,
        *,
        wake: Callable[[ObjectKey], None],
        created: Callable[[ObjectKey], None],
    ) -> None:
        self._config = config
        self._announced = announced
        self._wake = wake
        self._created = created
        self._tls: MutualTLS | None = None
        self._strange: set[str] = set()
        self.port = 0
        """Where it listens, once it does."""

    def problem(self) -> str | None:
        """None while it serves with what the files hold, else why not."""
        if self._tls is None or not self.port:
            return "not listening yet"
        return self._tls.problem

    @property
    def certificate_ends(self) -> datetime | None:
        """When the certificate in use ends."""
        return None if self._tls is None else self._tls.ends

    async def run(self) -> None:
        """Serve until cancelled. Raises InvalidField for files or an address that cannot be had."""
        config = self._config
        tls = await MutualTLS.load(config.certificate, config.key, config.client_authority)
        if config.client_authority is None:
            log.warning("client certificates are not verified: anybody may pose as the API server")
        self._tls = tls
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(tls.run())
            async with serve(
                config.host,
                config.port,
                context=tls.context,
                validators={EVERY_PATH: self._review},
                field="addr",
            ) as port:
                self.port = port
                try:
                    await asyncio.Event().wait()
                finally:
                    self.port = 0

    def _review(self, request: AdmissionRequest) -> Judgement:
        """Read what is said of a Pod, in a thread; nothing is ever refused."""
        if request.dry_run or request.subresource:
            return settled(ALLOWED)
        if (request.kind.group, request.kind.kind) != ("", "Pod"):
            return lambda: self._say_strange(shortened(request.kind.kind, _MOST_SHOWN))
        try:
            match request.operation:
                case "CREATE":
                    pod = _pod_of(request)
                    return lambda: self._create(pod)
                case "UPDATE":
                    pod = _pod_of(request)
                    return lambda: self._update(pod)
                case "DELETE":
                    key = _key_of(request)
                    return lambda: self._delete(key)
        except DecodeError as error:
            log.warning("a Pod does not decode", extra=kv(pod=request.name, error=error))
        return settled(ALLOWED)

    def _say_strange(self, kind: str) -> Verdict:
        """Say once of a kind that it is none of ours."""
        if kind not in self._strange and len(self._strange) < _MOST_STRANGE:
            self._strange.add(kind)
            log.warning("asked about what is no Pod: see the rules", extra=kv(kind=kind))
        return ALLOWED

    def _create(self, pod: Pod) -> Verdict:
        # API servers before 1.14 name a Pod with generateName only after they have asked.
        if pod.metadata.name:
            if not self._announced.announce(pod):
                log.info("a Pod of that name is announced already", extra=kv(pod=str(pod.key)))
            self._created(pod.key)
        return ALLOWED

    def _update(self, pod: Pod) -> Verdict:
        self._announced.amend(pod)
        self._wake(pod.key)
        return ALLOWED

    def _delete(self, key: ObjectKey) -> Verdict:
        self._announced.withdraw(key)
        self._wake(key)
        return ALLOWED


def _key_of(request: AdmissionRequest) -> ObjectKey:
    """The key of a Pod that goes. Raises DecodeError.

    When a whole collection is deleted, each object is asked about without its name.
    """
    name = request.name or decode(bytes(request.old_object), Pod).metadata.name
    return ObjectKey(request.namespace, name)


def _pod_of(request: AdmissionRequest) -> Pod:
    """The Pod as it is to be stored. Raises DecodeError."""
    pod = decode(bytes(request.object), Pod)
    name = pod.metadata.name or request.name
    meta = msgspec.structs.replace(pod.metadata, name=name, namespace=request.namespace)
    return msgspec.structs.replace(pod, metadata=meta)
