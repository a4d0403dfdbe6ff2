"""Filters of the Entry API: the questions that ListEntries and CountEntries ask of an entry."""

from collections.abc import Callable
from typing import TypeAlias, TypeVar

from api.proto import entry_pb2, types_pb2
from devcluster.spire import validation
from devcluster.spire.refusal import Refusal
from devcluster.spire.validation import id_text

Filter: TypeAlias = entry_pb2.ListEntriesRequest.Filter | entry_pb2.CountEntriesRequest.Filter
Passes: TypeAlias = Callable[[types_pb2.Entry], bool]
T = TypeVar("T")

EXACT, SUBSET, SUPERSET, ANY = range(4)


def entry_filter(given: Filter, trust_domain: str) -> Passes:
    """One question for the whole filter; its parts must all hold. Raises Refusal."""
    questions: list[Passes] = []
    if given.HasField("by_parent_id"):
        parent = _wanted_id("malformed parent ID filter", given.by_parent_id, trust_domain)
        questions.append(lambda entry: id_text(entry.parent_id) == parent)
    if given.HasField("by_spiffe_id"):
        wanted = _workload("malformed SPIFFE ID filter", given.by_spiffe_id, trust_domain)
        questions.append(lambda entry: id_text(entry.spiffe_id) == wanted)
    if given.HasField("by_selectors"):
        questions.append(_selectors(given.by_selectors))
    if given.HasField("by_federates_with"):
        questions.append(_federates_with(given.by_federates_with))
    # Nor can those without a hint be asked for, as below.
    if given.by_hint.value:
        hint = given.by_hint.value
        questions.append(lambda entry: entry.hint == hint)
    # "Not downstream" can't be asked: a server takes the question for no question.
    if given.by_downstream.value:
        questions.append(lambda entry: entry.downstream)
    return lambda entry: all(question(entry) for question in questions)


def _selectors(given: types_pb2.SelectorMatch) -> Passes:
    what = "malformed selectors filter"
    try:
        validation.selectors(given.selectors)
    except Refusal as error:
        raise Refusal(f"{what}: {error}") from error
    if not given.selectors:
        raise Refusal(f"{what}: empty selector set")
    wanted = frozenset((selector.type, selector.value) for selector in given.selectors)
    match = int(given.match)
    return lambda entry: _matches(
        frozenset((selector.type, selector.value) for selector in entry.selectors), wanted, match
    )


def _federates_with(given: types_pb2.FederatesWithMatch) -> Passes:
    what = "malformed federates with filter"
    if not given.trust_domains:
        raise Refusal(f"{what}: empty trust domain set")
    try:
        wanted = frozenset(validation.trust_domain(name) for name in given.trust_domains)
    except Refusal as error:
        raise Refusal(f"{what}: {error}") from error
    match = int(given.match)
    return lambda entry: _matches(frozenset(entry.federates_with), wanted, match)


def _matches(held: frozenset[T], wanted: frozenset[T], match: int) -> bool:
    """Compare what an entry holds with what is wanted.

    A subset may not be empty: an entry that federates with nobody is not
    found by the trust domains that it might federate with.
    """
    if match == EXACT:
        return held == wanted
    if match == SUBSET:
        return bool(held) and held <= wanted
    if match == SUPERSET:
        return held >= wanted
    return not held.isdisjoint(wanted)


def _wanted_id(what: str, given: types_pb2.SPIFFEID, trust_domain: str) -> str:
    try:
        return validation.member_id(given, trust_domain)
    except Refusal as error:
        raise Refusal(f"{what}: {error}") from error


def _workload(what: str, given: types_pb2.SPIFFEID, trust_domain: str) -> str:
    try:
        return validation.workload_id(given, trust_domain)
    except Refusal as error:
        raise Refusal(f"{what}: {error}") from error
