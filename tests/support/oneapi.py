"""An API server of a few lists, without a network."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path

from api.codec import JSONObject, encode
from registrar.kube.errors import KubeError, NotFound
from registrar.kube.session import Request


@dataclass
class OneAPI:
    """``lists`` has the objects of each collection, by path; with ``error`` it fails."""

    lists: dict[str, list[JSONObject]]
    error: KubeError | None = None
    host: str = "nowhere"
    path: Path = field(default=Path("folder"))

    async def call(self, request: Request) -> bytes:
        """Give a collection."""
        if self.error is not None:
            raise self.error
        items = self.lists.get(request.path)
        if items is None:
            raise NotFound(request.path, 404, "NotFound")
        return encode({"metadata": {"resourceVersion": "9"}, "items": items})

    def stream(
        self, request: Request, *, read_seconds: float
    ) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """Nobody watches."""
        raise NotImplementedError(request.path, read_seconds)
