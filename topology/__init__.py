"""Topologies of SPIRE servers on a cluster: what brings them up, tests them and ends them."""
