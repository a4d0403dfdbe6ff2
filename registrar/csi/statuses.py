"""How a call of the kubelet's is refused: a code, and words that are sure to arrive.

gRPC sends the words in a header, where whatever is not plain ASCII takes three bytes for each
of its own. A client gives a header up that is too large, and with it code and words.
"""

from typing import NoReturn

import grpc

from registrar.csi.identity import Context

_MOST_BYTES = 4096
"""Of the words, as they are sent. Clients take headers of 8 KiB by default."""


async def refuse(context: Context, code: grpc.StatusCode, words: str) -> NoReturn:
    """End a call with a code, and with as much of the words as fits into a header."""
    await context.abort(code, sendable(words))


def sendable(words: str) -> str:
    """As much of the words as fits; what is no text at all, as names of files can be, replaced."""
    words = words.encode("utf-8", "replace").decode()
    size = 0
    for place, character in enumerate(words):
        is_plain = " " <= character <= "~" and character != "%"
        size += 1 if is_plain else 3 * len(character.encode())
        if size > _MOST_BYTES:
            return f"{words[:place]}…"
    return words
