"""Every target on inputs made from its grammar, and on every input that was kept.

By itself this is a small and always the same number of inputs. ``make fuzz`` tries others, for
as long as it is told to.
"""

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.fuzz.drawn import EXAMPLES
from tests.fuzz.harness import CORPUS, Unbounded, check, corpus, keep
from tests.fuzz.targets import TARGETS

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", TARGETS)
def test_any_input_gets_an_answer_or_its_own_error(name: str) -> None:
    target = TARGETS[name]
    failing: list[bytes] = []

    @settings(
        max_examples=EXAMPLES or target.few,
        derandomize=not EXAMPLES,
        database=None,
        deadline=None,
        phases=(Phase.explicit, Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    @given(target.inputs)
    def attempt(data: bytes) -> None:
        try:
            check(target, data)
        except (Exception, Unbounded):
            failing[:] = [data]
            raise

    try:
        attempt()
    except (Exception, Unbounded) as error:
        # The last one that failed is the shortest.
        error.add_note(f"kept as {keep(name, failing[0])}" if EXAMPLES and failing else "")
        raise


@pytest.mark.parametrize("name", TARGETS)
def test_what_was_found_once_stays_mended(name: str) -> None:
    target = TARGETS[name]
    for seed in target.seeds:
        check(target, seed)
    for path in corpus(name):
        try:
            check(target, path.read_bytes())
        except (Exception, Unbounded) as error:
            error.add_note(f"on {path}")
            raise


def test_every_folder_of_the_corpus_is_a_target_s() -> None:
    assert {path.name for path in CORPUS.iterdir()} <= {*TARGETS, "http", "grpc"}


@given(st.just(b""))
@settings(max_examples=1, database=None)
def test_nothing_at_all_is_an_input_too(data: bytes) -> None:
    for target in TARGETS.values():
        check(target, data)
