"""Questions of the API server and our answers, without any network."""

from collections.abc import Callable
from dataclasses import dataclass

from api.admission import VERSIONS, AdmissionRequest, AdmissionReview
from api.codec import DecodeError, JSONObject, decode


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether it may be done. ``message`` says why not; ``warnings`` go to the person anyway."""

    allowed: bool
    message: str = ""
    warnings: tuple[str, ...] = ()


ALLOWED = Verdict(allowed=True)
Validator = Callable[[AdmissionRequest], Verdict]


class BadReviewError(ValueError):
    """The body is no AdmissionReview that we understand."""


def read_review(body: bytes) -> AdmissionReview:
    """Read a question. Raises BadReviewError."""
    try:
        review = decode(body, AdmissionReview)
    except DecodeError as error:
        raise BadReviewError(f"not an AdmissionReview: {error}") from error
    if review.api_version not in VERSIONS or review.kind != "AdmissionReview":
        raise BadReviewError(
            f"{review.api_version} {review.kind} is not understood: send an AdmissionReview of "
            + " or ".join(sorted(VERSIONS))
        )
    if review.request is None or not review.request.uid:
        raise BadReviewError("request.uid is missing")
    return review


def answer(review: AdmissionReview, verdict: Verdict) -> JSONObject:
    """The answer, in the version of the question."""
    response: JSONObject = {
        "uid": "" if review.request is None else review.request.uid,
        "allowed": verdict.allowed,
    }
    if not verdict.allowed:
        response["status"] = {
            "status": "Failure",
            "reason": "Invalid",
            "code": 422,
            "message": verdict.message,
        }
    if verdict.warnings:
        response["warnings"] = list(verdict.warnings)
    return {"apiVersion": review.api_version, "kind": "AdmissionReview", "response": response}
