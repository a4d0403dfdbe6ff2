"""Version v1alpha1 of the group ``spire.spiffe.io``: the kinds of spire-controller-manager."""
