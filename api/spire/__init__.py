"""Kinds of the group ``spire.spiffe.io``, that of spire-controller-manager."""
