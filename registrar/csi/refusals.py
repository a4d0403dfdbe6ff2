"""Why a call for a volume fails where nothing is wrong with its attributes."""


class NotReady(Exception):  # noqa: N818 - named by what happened
    """The volume has no files in time; the message says why."""


class OtherParameters(Exception):  # noqa: N818 - named by what happened
    """The volume is published already, with other parameters."""


class Left(Exception):  # noqa: N818 - named by what happened
    """The wait was given up: the volume was unpublished meanwhile, or the driver ends."""
