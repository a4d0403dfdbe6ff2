"""A call to the API server that is made again while the server is only busy or starting."""

import asyncio

from registrar.kube.errors import TooManyRequests, Unavailable
from registrar.kube.session import Request, Session

_PAUSES = (0.5, 1.0, 2.0, 4.0)


async def patiently(session: Session, request: Request) -> bytes:
    """Make a call that may be made twice: a read, or a deletion. Raises KubeError."""
    for pause in _PAUSES:
        try:
            return await session.call(request)
        except TooManyRequests as error:
            await asyncio.sleep(min(error.retry_after, 10.0))
        except Unavailable:
            # Such as the storage of a kind that was just made.
            await asyncio.sleep(pause)
    return await session.call(request)
