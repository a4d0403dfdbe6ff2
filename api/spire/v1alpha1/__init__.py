"""Version v1alpha1: ClusterSPIFFEID, ClusterStaticEntry, ClusterFederatedTrustDomain.

Nothing that the controller manager's own CRDs accept is refused here.
"""
