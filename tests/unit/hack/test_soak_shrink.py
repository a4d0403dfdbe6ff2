"""The plan of a soak, and how a failing one is made shorter."""

import itertools

import pytest

from hack.soak.life import without
from hack.soak.modes import MODES
from hack.soak.plan import Step, needs_of, planned
from hack.soak.shrink import shrunk
from hack.soak.subjects import SUBJECTS


def acts(number: int) -> list[Step]:
    return [*(Step("act", "create-pod", n) for n in range(number)), Step("judge")]


def quiet(_line: str) -> None:
    return None


@pytest.mark.parametrize("name", SUBJECTS)
def test_a_seed_says_all_that_happens(name: str) -> None:
    plan = SUBJECTS[name].plan
    assert plan(7, []) == plan(7, [])
    assert plan(7, []) != plan(8, [])


@pytest.mark.parametrize("name", SUBJECTS)
def test_every_fault_ends_before_it_is_judged(name: str) -> None:
    active: set[int] = set()
    for step in SUBJECTS[name].plan(3, []):
        if step.kind == "begin":
            active.add(step.chance)
        elif step.kind == "end":
            active.remove(step.chance)
        elif step.kind == "judge":
            assert not active
    assert not active


@pytest.mark.parametrize("name", SUBJECTS)
@pytest.mark.parametrize("at_once", [1, 5])
def test_no_more_faults_are_on_at_a_time_than_may_be(name: str, at_once: int) -> None:
    changes = {"begin": 1, "end": -1}
    steps = SUBJECTS[name].plan(3, at_once=at_once)
    on = list(itertools.accumulate(changes.get(step.kind, 0) for step in steps))
    assert min(on) == 0
    assert max(on) <= at_once


@pytest.mark.parametrize("name", MODES)
def test_the_more_may_be_on_the_more_faults_come(name: str) -> None:
    plans = [SUBJECTS[name].plan(3, at_once=at_once) for at_once in (1, 3, 5)]
    begins = [sum(step.kind == "begin" for step in steps) for steps in plans]
    assert begins == sorted(set(begins))
    assert plans[1] == SUBJECTS[name].plan(3)


@pytest.mark.parametrize(("name", "fault"), [("layered", "api-409"), ("csi", "agent-hung")])
def test_only_the_named_faults_come(name: str, fault: str) -> None:
    steps = SUBJECTS[name].plan(1, [fault])
    assert {step.name for step in steps if step.kind == "begin"} == {fault}


def test_without_a_cluster_no_fault_needs_one() -> None:
    assert needs_of(MODES["static"]) == set()


def test_a_step_says_itself() -> None:
    for step in planned(MODES["crd"], 1):
        assert Step.parsed(str(step)) == step


def test_a_line_that_is_no_step_is_refused() -> None:
    with pytest.raises(ValueError, match="'jump::0:0' is no step"):
        Step.parsed("jump::0:0")


def test_a_fault_is_left_out_with_its_end() -> None:
    steps = [Step("begin", "api-409", 5), *acts(1)[:1], Step("end", "api-409", 5), Step("judge")]
    assert [step.kind for step in without(steps, [0])] == ["act", "judge"]
    assert [step.kind for step in without(steps, [2])] == ["act", "judge"]


def test_finds_the_two_steps_that_matter() -> None:
    def fails(steps: list[Step]) -> bool:
        return {3, 17} <= {step.chance for step in steps if step.kind == "act"}

    found = shrunk(acts(40), fails, seconds=1000, say=quiet, clock=lambda: 0.0)
    assert [step.chance for step in found if step.kind == "act"] == [3, 17]
    assert found[-1].kind == "judge"


def test_stays_as_it_is_where_no_shorter_one_fails() -> None:
    steps = acts(5)
    assert shrunk(steps, lambda _: False, seconds=1000, say=quiet, clock=lambda: 0.0) == steps


def test_ends_when_the_time_is_over() -> None:
    ticks = itertools.count()
    tries: list[int] = []

    def fails(steps: list[Step]) -> bool:
        tries.append(len(steps))
        return True

    shrunk(acts(64), fails, seconds=2, say=quiet, clock=lambda: float(next(ticks)))
    assert len(tries) == 2
