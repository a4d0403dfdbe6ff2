"""What all real servers that the tests start have in common."""

from hack.processes import free_port


def test_a_port_is_given_once() -> None:
    """Whoever was given it may listen only minutes later, as a server that is stopped does."""
    assert len({free_port() for _ in range(1000)}) == 1000
