"""Embedded servers on real loopback sockets, for the demo and the fast tests."""
