"""In which order the keys of sources come."""

from dataclasses import replace

from api.meta import ObjectKey
from controllers import turns
from registrar.claims.claim import Claimant
from registrar.claims.outcome import Outcome, State
from registrar.claims.podentry import pod_source
from registrar.kube.turns import Turn, Urgency
from tests.support.builders import make_claim, make_key
from tests.support.shared import a_shared_state

URGENT, LATER = Urgency.URGENT, Urgency.LATER
POD = ObjectKey("shop", "web-0")
KEY = make_key("/web")
CLAIM = replace(make_claim(key=KEY), source=Claimant("Pod", "shop", "web-0"))


def test_an_object_that_claims_nothing_yet_comes_first() -> None:
    shared = a_shared_state()
    turn = turns.of_objects(shared, pod_source)
    assert turn(POD) == Turn(URGENT, "shop")
    shared.index.replace(pod_source(POD), [CLAIM])
    assert turn(POD) == Turn(LATER, "shop")


def test_an_entry_that_was_never_there_comes_first() -> None:
    shared = a_shared_state()
    shared.index.replace(pod_source(POD), [CLAIM])
    assert turns.of_entries(shared, lambda _: False)(KEY) == Turn(URGENT, "shop")
    assert turns.of_entries(shared, lambda _: True)(KEY) == Turn(LATER, "shop")


def test_an_entry_that_somebody_took_away_comes_after_new_ones() -> None:
    shared = a_shared_state()
    shared.index.replace(pod_source(POD), [CLAIM])
    shared.outcomes.set(KEY, Outcome(State.SET, "test.web"))
    assert turns.of_entries(shared, lambda _: False)(KEY) == Turn(LATER, "shop")


def test_an_entry_that_nobody_asks_for_any_more_has_a_turn_too() -> None:
    turn = turns.of_entries(a_shared_state(), lambda _: True)
    assert turn(KEY) == Turn(LATER, "")
