"""Questions of the API server and our answers."""

import json

import pytest

from registrar.admission.review import ALLOWED, BadReviewError, Verdict, answer, read_review


def review(**changes: object) -> bytes:
    document = {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {"uid": "u", "operation": "CREATE", "object": {"a": 1}},
    }
    return json.dumps({**document, **changes}).encode()


@pytest.mark.parametrize("version", ["admission.k8s.io/v1", "admission.k8s.io/v1beta1"])
def test_the_answer_has_the_version_and_uid_of_the_question(version: str) -> None:
    asked = read_review(review(apiVersion=version))
    assert answer(asked, ALLOWED) == {
        "apiVersion": version,
        "kind": "AdmissionReview",
        "response": {"uid": "u", "allowed": True},
    }


def test_a_refusal_says_why_and_warnings_go_along() -> None:
    found = answer(read_review(review()), Verdict(allowed=False, message="m", warnings=("w",)))
    response = found["response"]
    assert isinstance(response, dict)
    assert response["allowed"] is False
    assert response["warnings"] == ["w"]
    assert response["status"] == {
        "status": "Failure",
        "reason": "Invalid",
        "code": 422,
        "message": "m",
    }


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"nonsense", "not an AdmissionReview"),
        (b"[]", "not an AdmissionReview"),
        (review(apiVersion="v9"), "v9 AdmissionReview is not understood"),
        (review(kind="Pod"), "Pod is not understood"),
        (review(request=None), r"request\.uid is missing"),
        (review(request={}), r"request\.uid is missing"),
    ],
)
def test_what_is_no_review_is_said_to_be_none(body: bytes, message: str) -> None:
    with pytest.raises(BadReviewError, match=message):
        read_review(body)
