"""Refusals: every error that the server answers with, as a Kubernetes Status.

Code anywhere below the routes raises APIError; only the routes turn it into an answer.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from devcluster.kubeapi.documents import JSONObject, JSONValue


@dataclass(frozen=True, slots=True)
class Cause:
    """One reason of a refusal: a machine word, a sentence, and the field it is about."""

    reason: str
    message: str
    field: str = ""

    def document(self) -> JSONObject:
        """The cause as it stands in a Status."""
        body: JSONObject = {"reason": self.reason, "message": self.message}
        if self.field:
            body["field"] = self.field
        return body


class APIError(Exception):
    """A refusal with its HTTP code, reason and details."""

    def __init__(
        self, code: int, reason: str, message: str, details: JSONObject | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.details = details

    def document(self) -> JSONObject:
        """The Status to answer with."""
        body: JSONObject = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
        }
        if self.reason:
            body["reason"] = self.reason
        if self.details is not None:
            body["details"] = self.details
        body["code"] = self.code
        return body


def _details(name: str, group: str, kind: str, causes: Iterable[Cause] = ()) -> JSONObject:
    body: JSONObject = {}
    if name:
        body["name"] = name
    if group:
        body["group"] = group
    body["kind"] = kind
    listed: list[JSONValue] = [cause.document() for cause in causes]
    if listed:
        body["causes"] = listed
    return body


def qualified(group: str, name: str) -> str:
    """A kind or plural with its group, as messages spell it."""
    return f"{name}.{group}" if group else name


def success(details: JSONObject) -> JSONObject:
    """The Status that says that it is done."""
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": details,
    }


def not_found(group: str, plural: str, name: str) -> APIError:
    """There is no such object."""
    message = f'{qualified(group, plural)} "{name}" not found'
    return APIError(404, "NotFound", message, _details(name, group, plural))


def no_such_path() -> APIError:
    """Nothing is served under this path."""
    return APIError(404, "NotFound", "the server could not find the requested resource", {})


def already_exists(group: str, plural: str, name: str) -> APIError:
    """The name is taken."""
    message = f'{qualified(group, plural)} "{name}" already exists'
    return APIError(409, "AlreadyExists", message, _details(name, group, plural))


def conflict(group: str, plural: str, name: str, why: str = "") -> APIError:
    """The object is not what the request took it for."""
    why = why or (
        "the object has been modified; please apply your changes to the latest version"
        " and try again"
    )
    message = f'Operation cannot be fulfilled on {qualified(group, plural)} "{name}": {why}'
    return APIError(409, "Conflict", message, _details(name, group, plural))


def unclassified(message: str) -> APIError:
    """The request makes no sense, and a real server does not say so in any machine's words."""
    return APIError(500, "", message)


def bad_request(message: str) -> APIError:
    """The request makes no sense."""
    return APIError(400, "BadRequest", message)


def forbidden(group: str, plural: str, name: str, why: str, cause: Cause) -> APIError:
    """The request is understood and refused."""
    message = f'{qualified(group, plural)} "{name}" is forbidden: {why}'
    return APIError(403, "Forbidden", message, _details(name, group, plural, [cause]))


def invalid(group: str, kind: str, name: str, causes: Sequence[Cause]) -> APIError:
    """Fields hold values that they may not hold."""
    listed = [f"{cause.field or '<nil>'}: {cause.message}" for cause in causes]
    summary = listed[0] if len(listed) == 1 else f"[{', '.join(listed)}]"
    message = f'{qualified(group, kind)} "{name}" is invalid: {summary}'
    return APIError(422, "Invalid", message, _details(name, group, kind, causes))


def unprocessable() -> APIError:
    """The patch cannot be applied to this object."""
    message = "the server rejected our request due to an error in our request"
    return APIError(422, "Invalid", message, {})


def expired(message: str) -> APIError:
    """The revision asked for is gone: list again."""
    return APIError(410, "Expired", message)


def revision_too_large(asked: int, current: int) -> APIError:
    """The revision asked for has not happened yet."""
    cause = Cause("ResourceVersionTooLarge", "Too large resource version")
    details: JSONObject = {"causes": [cause.document()], "retryAfterSeconds": 1}
    message = f"Timeout: Too large resource version: {asked}, current: {current}"
    return APIError(504, "Timeout", message, details)


def method_not_allowed() -> APIError:
    """The resource does not know this verb."""
    message = "the server does not allow this method on the requested resource"
    return APIError(405, "MethodNotAllowed", message, {})


def unsupported_media_type(accepted: Sequence[str]) -> APIError:
    """The body is in a format that the server does not read."""
    message = (
        "the body of the request was in an unknown format - accepted media types include: "
        + ", ".join(accepted)
    )
    return APIError(415, "UnsupportedMediaType", message)


def not_acceptable(offered: Sequence[str]) -> APIError:
    """No format that the client reads is one that the server writes."""
    message = f"406: Not Acceptable\n\nAvailable representations: {', '.join(offered)}"
    return APIError(406, "NotAcceptable", message, {})
