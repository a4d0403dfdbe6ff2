"""Reads objects from the API server, all at once: for those who look, and do not follow."""

from typing import TypeVar

from api.codec import DecodeError, decode
from api.kinds import Kind
from api.meta import KubeObject, ObjectKey
from registrar.kube.client import KubeClient, list_request, read_page
from registrar.kube.errors import Undecodable
from registrar.kube.session import Session
from topology.patience import patiently

T = TypeVar("T", bound=KubeObject)


class Reader:
    """Every method raises KubeError."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.client = KubeClient(session)

    async def get(self, kind: Kind[T], key: ObjectKey) -> T:
        """One object."""
        return await self.client.get(kind, key)

    async def all(self, kind: Kind[T], *, namespace: str = "", label: str = "") -> list[T]:
        """All objects of a kind, within the namespace and the selector."""
        request = list_request(kind, limit=0, namespace=namespace, label=label)
        page = read_page(await patiently(self._session, request))
        try:
            return [decode(item, kind.type) for item in page.items]
        except DecodeError as error:
            raise Undecodable(f"{kind.resource}: {error}", 0, "Undecodable") from error
