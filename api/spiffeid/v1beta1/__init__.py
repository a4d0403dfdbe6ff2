"""Version v1beta1 of the group ``spiffeid.spiffe.io``."""
