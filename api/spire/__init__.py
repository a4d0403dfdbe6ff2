"""The kinds of the controller manager, group ``spire.spiffe.io``."""
