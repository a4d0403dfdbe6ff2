"""What goes with an object that was seen to go."""

from registrar.claims.claim import Claimant
from registrar.claims.departed import Departed
from tests.support.builders import make_key

POD = Claimant("Pod", "shop", "web")
KEY = make_key()


def test_the_keys_of_what_was_seen_to_go_may_go_until_they_are_done() -> None:
    departed = Departed()
    departed.left(POD, [KEY])
    assert not departed.has_left(KEY)
    departed.saw(POD)
    departed.left(POD, [KEY])
    assert departed.has_left(KEY)
    departed.done(KEY)
    assert not departed.has_left(KEY)
    # It counts once: the next of its name was not seen to go.
    departed.left(POD, [KEY])
    assert not departed.has_left(KEY)
