"""Kubernetes client and controller runtime; knows no word of SPIFFE."""
