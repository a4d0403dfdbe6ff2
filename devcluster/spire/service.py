"""What the services share: how a call is refused, and which field of a request was sent."""

from typing import NoReturn, TypeAlias, TypeVar

import grpc
from google.protobuf.message import Message

from devcluster.spire.validation import Refusal

ServicerContext: TypeAlias = grpc.aio.ServicerContext[Message, Message]
M = TypeVar("M", bound=Message)


async def abort(context: ServicerContext, refusal: Refusal) -> NoReturn:
    """End a call with the refusal's status."""
    await context.abort(refusal.code, str(refusal))


def sent(request: Message, name: str, value: M) -> M | None:
    """The value of a field that holds a message, or None when it was not sent."""
    return value if request.HasField(name) else None
