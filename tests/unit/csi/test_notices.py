"""What Pods are told of their volumes."""

from registrar.csi.ailments import SVID_EXPIRED, WAITING_FOR_ENTRY, Ailment
from registrar.csi.notices import WELL, Notices
from registrar.csi.volume import PodInfo, Volume

WAITING = Ailment(WAITING_FOR_ENTRY, "no entry")
EXPIRED = Ailment(SVID_EXPIRED, "it has expired")


class Said:
    """Everything that was said: to which Pod, and why."""

    def __init__(self) -> None:
        self.all: list[tuple[str, str]] = []

    def warn(self, pod: PodInfo, reason: str, message: str) -> None:
        assert message.startswith("volume certs: ")
        self.all.append((pod.name, reason))

    def inform(self, pod: PodInfo, reason: str, message: str) -> None:
        self.warn(pod, reason, message)


def volume(name: str) -> Volume:
    pod = PodInfo("shop", name, f"uid-{name}", "default")
    return Volume(f"csi-{name}", f"/pods/{pod.uid}/volumes/certs/mount", pod, {})


def test_a_trouble_is_said_once_and_so_is_its_end() -> None:
    said = Said()
    notices = Notices(said)
    assert [notices.begin(volume("web"), ailment) for ailment in (WAITING, WAITING, EXPIRED)] == [
        True,
        False,
        True,
    ]
    assert [notices.end(volume("web"), "all is well") for _ in range(2)] == [True, False]
    assert notices.begin(volume("web"), WAITING)
    assert said.all == [
        ("web", WAITING_FOR_ENTRY),
        ("web", SVID_EXPIRED),
        ("web", WELL),
        ("web", WAITING_FOR_ENTRY),
    ]


def test_a_volume_without_trouble_is_not_called_well() -> None:
    said = Said()
    notices = Notices(said)
    notices.begin(volume("other"), WAITING)
    assert not notices.end(volume("web"), "all is well")
    notices.forget("csi-other")
    assert not notices.end(volume("other"), "all is well")
    assert said.all == [("other", WAITING_FOR_ENTRY)]


def test_what_was_said_is_remembered_of_a_bounded_number_of_volumes() -> None:
    said = Said()
    notices = Notices(said)
    for number in range(4_097):
        notices.begin(volume(f"web-{number}"), WAITING)
    assert not notices.begin(volume("web-4096"), WAITING)
    assert notices.begin(volume("web-0"), WAITING)
