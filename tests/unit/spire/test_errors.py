"""What a status of gRPC means to the caller."""

import grpc
import pytest

from registrar.spire import errors
from registrar.spire.errors import error_of
from tests.support.entries import make_entry

Code = grpc.StatusCode


@pytest.mark.parametrize(
    ("code", "kind", "retryable"),
    [
        (Code.UNAVAILABLE, errors.Unavailable, True),
        (Code.DEADLINE_EXCEEDED, errors.Unavailable, True),
        (Code.RESOURCE_EXHAUSTED, errors.Unavailable, True),
        (Code.PERMISSION_DENIED, errors.PermissionDenied, True),
        (Code.UNAUTHENTICATED, errors.PermissionDenied, True),
        (Code.INVALID_ARGUMENT, errors.InvalidArgument, False),
        (Code.NOT_FOUND, errors.NotFound, True),
        (Code.ALREADY_EXISTS, errors.AlreadyExists, True),
        (Code.INTERNAL, errors.Internal, True),
        (Code.UNKNOWN, errors.Internal, True),
        (Code.UNIMPLEMENTED, errors.Internal, True),
        (9999, errors.Internal, True),
    ],
)
def test_a_code_becomes_an_error_by_what_to_do_about_it(
    code: grpc.StatusCode | int, kind: type[errors.SpireError], retryable: bool
) -> None:
    error = error_of(code, "what happened")
    assert type(error) is kind
    assert error.retryable is retryable
    assert error.message == str(error) == "what happened"
    number = code if isinstance(code, int) else code.value[0]
    assert type(error_of(number, "")) is kind


@pytest.mark.parametrize(
    ("tail", "trust_domain"),
    [(' "spiffe://other.test"', "other.test"), (' "other.test"', "other.test"), ("", "")],
    ids=["with-scheme", "without-scheme", "nameless"],
)
def test_a_missing_bundle_is_told_from_other_failures_by_its_message(
    tail: str, trust_domain: str
) -> None:
    message = f"failed to create entry: unable to find federated bundle{tail}"
    error = error_of(Code.INTERNAL, message)
    assert isinstance(error, errors.FederatedBundleMissing)
    assert error.trust_domain == trust_domain
    again = error.again()
    assert (again.message, again.code, again.trust_domain) == (
        message,
        Code.INTERNAL,
        trust_domain,
    )


def test_an_error_without_message_names_its_code() -> None:
    assert "NOT_FOUND" in error_of(Code.NOT_FOUND, "").message


def test_an_error_again_is_equal_but_not_the_same() -> None:
    error = errors.AlreadyExists("in the way", existing=make_entry())
    again = error.again()
    assert again is not error
    assert (again.message, again.code, again.existing) == (
        error.message,
        error.code,
        error.existing,
    )
    denied = error_of(Code.PERMISSION_DENIED, "no")
    assert type(denied.again()) is errors.PermissionDenied
