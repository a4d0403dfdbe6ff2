"""Objects that move to a key while it is being given up: nobody is without an entry meanwhile."""

import contextlib

import pytest

from tests.support.setup import Setup, some_looks, until

WEB = {"podLabel": {"app": "web"}}


@pytest.mark.parametrize("hint", ["", "other"], ids=["as it was", "with another hint"])
async def test_a_key_whose_deletion_is_under_way_is_not_taken_for_set(
    setup: Setup, hint: str
) -> None:
    async with setup.registrar():
        await setup.apply("first", spiffeId="spiffe://example.org/wanted", selector=WEB)
        await setup.apply("second", spiffeId="spiffe://example.org/own", selector=WEB)
        await setup.until_ready("first")
        await setup.until_ready("second")
        faults = setup.spire.faults
        with contextlib.ExitStack() as writes:
            with faults.held("BatchDeleteEntry"):
                deletions = setup.spire.calls["BatchDeleteEntry"]
                await setup.apply("first", spiffeId="spiffe://example.org/left", selector=WEB)
                await until(lambda: setup.spire.calls["BatchDeleteEntry"] > deletions)
                await setup.apply(
                    "second", spiffeId="spiffe://example.org/wanted", selector=WEB, hint=hint
                )
                await some_looks(setup)
                for method in ("BatchCreateEntry", "BatchUpdateEntry"):
                    writes.enter_context(faults.held(method))
            await until(lambda: not setup.entries("/wanted"))
            await some_looks(setup)
            assert setup.entries("/own")
        await until(lambda: not setup.entries("/own"))
        await setup.until_ready("second")
        assert [entry.hint for entry in setup.entries("/wanted")] == [hint]


async def test_a_key_whose_deletion_failed_is_set_for_who_moved_there(setup: Setup) -> None:
    async with setup.registrar():
        await setup.apply("first", spiffeId="spiffe://example.org/wanted", selector=WEB)
        await setup.apply("second", spiffeId="spiffe://example.org/own", selector=WEB)
        await setup.until_ready("first")
        await setup.until_ready("second")
        setup.spire.faults.fail("BatchDeleteEntry")
        with setup.spire.faults.held("BatchDeleteEntry"):
            deletions = setup.spire.calls["BatchDeleteEntry"]
            await setup.apply("first", spiffeId="spiffe://example.org/left", selector=WEB)
            await until(lambda: setup.spire.calls["BatchDeleteEntry"] > deletions)
            await setup.apply("second", spiffeId="spiffe://example.org/wanted", selector=WEB)
        await setup.until_ready("second")
        assert setup.entries("/wanted")
        setup.spire.faults.clear()
        await until(lambda: not setup.entries("/own"))
