"""Has the Secret with the upstream authority, made unless it is there; what is there stays."""

import asyncio
from collections.abc import Callable

from api.core import Secret
from api.kinds import SECRET
from api.meta import ObjectKey
from registrar.backoff import Backoff
from registrar.kube.client import KubeClient
from registrar.kube.errors import AlreadyExists, Invalid, KubeError, Undecodable
from topology.program import Exit

_LONGEST_PAUSE_SECONDS = 5.0


async def ensure(
    kube: KubeClient,
    key: ObjectKey,
    make: Callable[[], Secret],
    *,
    say: Callable[[str], None],
    timeout_seconds: float | None,
) -> Exit:
    """Create the Secret; one that is there is never read nor touched.

    Namespace, rights and the API server itself may come later.
    """
    backoff = Backoff(0.5, _LONGEST_PAUSE_SECONDS)
    said = ""
    try:
        async with asyncio.timeout(timeout_seconds):
            # One key for all attempts: a create whose answer was lost has been made with it.
            secret = await asyncio.to_thread(make)
            while True:
                try:
                    await kube.create(SECRET, secret)
                except AlreadyExists:
                    say(f"the Secret {key} is there, and stays as it is")
                    return Exit.DONE
                except Undecodable:
                    break
                except Invalid as error:
                    say(f"the Secret {key} cannot be made: {error}")
                    return Exit.FAILED
                except KubeError as error:
                    if str(error) != said:
                        said = str(error)
                        say(f"waits until the Secret {key} can be made: {error}")
                    await asyncio.sleep(backoff.next_seconds())
                else:
                    break
    except TimeoutError:
        say(f"gave up: the Secret {key} is not made: {said or 'the API server does not answer'}")
        return Exit.TIME_LIMIT
    say(f"made the Secret {key}")
    return Exit.DONE
