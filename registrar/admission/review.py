"""Questions of the API server and our answers, without any network."""

from collections.abc import Callable
from dataclasses import dataclass

from api.admission import VERSIONS, AdmissionRequest, AdmissionReview
from api.codec import DecodeError, JSONObject, decode
from api.errors import shortened
from registrar.errors import printable


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether it may be done. ``message`` says why not; ``warnings`` go to the person anyway."""

    allowed: bool
    message: str = ""
    warnings: tuple[str, ...] = ()


_MOST_SHOWN = 100
ALLOWED = Verdict(allowed=True)

Judgement = Callable[[], Verdict]
"""Called on the event loop, for what may be looked at or told only there; it is quick."""
Validator = Callable[[AdmissionRequest], Judgement]
"""Called in a thread, for what takes time: it decodes and compiles, and touches nothing shared."""


def settled(verdict: Verdict) -> Judgement:
    """The judgement where nothing is left to do on the event loop."""
    return lambda: verdict


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, and in which version of AdmissionReview."""

    api_version: str
    request: AdmissionRequest


class BadReviewError(ValueError):
    """The body is no AdmissionReview that we understand."""


def read_review(body: bytes) -> Question:
    """Read a question. Raises BadReviewError."""
    try:
        review = decode(body, AdmissionReview)
    except DecodeError as error:
        raise BadReviewError(f"not an AdmissionReview: {error}") from error
    if review.api_version not in VERSIONS or review.kind != "AdmissionReview":
        raise BadReviewError(
            f"{_shown(review.api_version)} {_shown(review.kind)} is not understood: "
            f"send an AdmissionReview of {' or '.join(sorted(VERSIONS))}"
        )
    if review.request is None or not review.request.uid:
        raise BadReviewError("request.uid is missing")
    return Question(review.api_version, review.request)


def answer(question: Question, verdict: Verdict) -> JSONObject:
    """The answer, in the version of the question."""
    response: JSONObject = {
        "uid": question.request.uid,
        "allowed": verdict.allowed,
    }
    if not verdict.allowed:
        response["status"] = {
            "status": "Failure",
            "reason": "Invalid",
            "code": 422,
            "message": printable(verdict.message),
        }
    if verdict.warnings:
        response["warnings"] = [printable(warning) for warning in verdict.warnings]
    return {"apiVersion": question.api_version, "kind": "AdmissionReview", "response": response}


def _shown(text: str) -> str:
    return printable(shortened(text, _MOST_SHOWN))
