"""The record of which federation relationships are ours: a ConfigMap, and what was read of it.

The federation reconciler reads it once in a term and writes it before it makes
something and after it deletes something, so that a crash in between loses
nothing. Each registrar has one entry of the ConfigMap, named by its prefix.
"""

import logging
from collections.abc import Callable, Mapping
from typing import Protocol

from api.codec import DecodeError
from api.core import ConfigMap
from api.kinds import CONFIG_MAP
from api.meta import ObjectKey, ObjectMeta
from controllers.ports import Kubernetes
from controllers.rights import Need, on
from registrar.claims.federationrecord import Noted, dump_record, parse_record
from registrar.kube.errors import Forbidden, Invalid, NotFound
from registrar.telemetry.logging import kv

log = logging.getLogger(__name__)

NAME = "spire-registrar-federation"
"""The ConfigMap's name; the rights in ``config`` speak of it."""


class Record(Protocol):
    """Where the record is kept."""

    async def load(self) -> dict[str, Noted] | None:
        """What is recorded by trust domain; None where there is no record. Raises KubeError."""
        ...

    async def save(self, noted: Mapping[str, Noted]) -> None:
        """Record this. Raises KubeError when it may work later."""
        ...


class ConfigMapRecord:
    """A record in one entry of a ConfigMap that registrars of a namespace share.

    Where we have no right to it nothing is recorded, which is said once, when
    there would have been something to record.
    """

    def __init__(self, kube: Kubernetes, *, namespace: str, prefix: str) -> None:
        self._kube = kube
        self._key = ObjectKey(namespace, NAME)
        # A name of a ConfigMap's entry must not begin with two dots; a prefix may.
        self._entry = f"prefix.{prefix}"
        self._is_refused = False
        self._is_said = False

    @property
    def needs(self) -> list[Need]:
        """The rights that it takes; creating cannot be limited to a name."""
        namespace, name = self._key
        without = "a federation relationship whose object goes while no registrar runs stays"
        return [
            *on(
                CONFIG_MAP,
                ("get", "patch"),
                without=without,
                is_vital=False,
                namespace=namespace,
                name=name,
            ),
            *on(CONFIG_MAP, ("create",), without=without, is_vital=False, namespace=namespace),
        ]

    async def load(self) -> dict[str, Noted] | None:
        """What is recorded; None where there is no record, or we may not read it."""
        try:
            found = await self._kube.get(CONFIG_MAP, self._key)
        except NotFound:
            return None
        except Forbidden:
            self._is_refused = True
            return None
        text = found.data.get(self._entry)
        if text is None:
            return None
        try:
            return parse_record(text)
        except DecodeError as error:
            log.warning(
                "the record of federation relationships cannot be read: none of them is taken for "
                "our own, until it is made anew",
                extra=kv(configmap=str(self._key), entry=self._entry, error=str(error)),
            )
            return {}

    async def save(self, noted: Mapping[str, Noted]) -> None:
        """Record this in the place of what was recorded."""
        if self._is_refused:
            self._say("no right to read it")
            return
        data = {self._entry: dump_record(noted)}
        try:
            try:
                await self._kube.merge_patch(CONFIG_MAP, self._key, {"data": {**data}})
            except NotFound:
                await self._create(data)
        except (Forbidden, Invalid, NotFound) as error:
            self._say(str(error))

    async def _create(self, data: dict[str, str]) -> None:
        namespace, name = self._key
        labels = {"app.kubernetes.io/managed-by": "spire-registrar"}
        made = ConfigMap(metadata=ObjectMeta(name=name, labels=labels), data=data)
        await self._kube.create(CONFIG_MAP, made, namespace=namespace)

    def _say(self, why: str) -> None:
        if self._is_said:
            return
        self._is_said = True
        log.warning(
            "which federation relationships are ours cannot be recorded, so one whose object is "
            "deleted while no registrar runs stays: allow get and patch on this ConfigMap, and "
            "create on configmaps in its namespace",
            extra=kv(configmap=str(self._key), error=why),
        )


class FederationMemory:
    """What is known of each trust domain in this term, kept in a record where there is one."""

    def __init__(self, record: Record | None) -> None:
        self._record = record
        self._noted: dict[str, Noted] = {}
        self._is_loaded = False
        self._is_unsaved = False

    async def load(self, earlier: Callable[[], Mapping[str, Noted]]) -> None:
        """Read the record, once; without one ``earlier`` counts. Raises KubeError."""
        if not self._is_loaded:
            found = None if self._record is None else await self._record.load()
            self._noted = dict(earlier()) if found is None else found
            self._is_loaded = True
            self._is_unsaved = found is None and bool(self._noted)
        await self._save()

    def of(self, name: str) -> Noted:
        """What is known of a trust domain."""
        return self._noted.get(name, Noted())

    def names(self) -> list[str]:
        """The trust domains of which something is known."""
        return list(self._noted)

    async def note(self, name: str, noted: Noted) -> None:
        """Remember this from now on. Raises KubeError; then it is recorded at the next chance."""
        if self._noted.get(name) != noted:
            self._noted[name] = noted
            self._is_unsaved = True
        await self._save()

    async def forget(self, name: str) -> None:
        """Nothing that the SPIRE server holds of it concerns us any more. Raises KubeError."""
        if self._noted.pop(name, None) is not None:
            self._is_unsaved = True
        await self._save()

    async def _save(self) -> None:
        if self._is_unsaved and self._record is not None:
            await self._record.save(self._noted)
        self._is_unsaved = False
