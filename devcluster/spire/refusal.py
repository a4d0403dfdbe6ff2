"""The status with which a server says no."""

import grpc


class Refusal(Exception):  # noqa: N818 - a status that the server answers with, not a fault of its own
    """The server says no: ``code`` and the message go to the client."""

    def __init__(
        self, message: str, code: grpc.StatusCode = grpc.StatusCode.INVALID_ARGUMENT
    ) -> None:
        super().__init__(message)
        self.code = code
