"""The API group ``spiffeid.spiffe.io``."""
