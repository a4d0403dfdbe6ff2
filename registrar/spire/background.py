"""Tasks that live as long as a block: cancelled when it is left, not waited for."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class _Over(Exception):  # noqa: N818 - not an error: the block was left
    pass


@asynccontextmanager
async def background() -> AsyncIterator[asyncio.TaskGroup]:
    """A group for tasks that are cancelled at the end of the block.

    What the block raises comes out as it is. A task that fails cancels the
    block, and comes out in an exception group.
    """
    failure: BaseException | None = None
    try:
        async with asyncio.TaskGroup() as tasks:
            try:
                yield tasks
            except BaseException as error:  # noqa: BLE001 - raised below, outside of the group
                failure = error
            raise _Over  # noqa: TRY301 - it is how a group is told to cancel
    except* _Over:
        pass
    if failure is not None:
        raise failure
