"""Looking until something is true, or the time for it is over."""

from topology.checks.check import Check, Untrue, verdicts


async def test_a_check_that_becomes_true_is_good_and_one_that_never_does_says_why() -> None:
    looks = 0

    async def becomes_true() -> None:
        nonlocal looks
        looks += 1
        if looks < 2:
            raise Untrue("not yet")

    async def never() -> None:
        raise Untrue("it is not so")

    checks = [Check("later", becomes_true), Check("never", never, 0), Check("last", becomes_true)]
    found = [verdict async for verdict in verdicts(checks)]
    assert [(each.sentence, each.is_good, each.why) for each in found] == [
        ("later", True, ""),
        ("never", False, "it is not so"),
        ("last", True, ""),
    ]
