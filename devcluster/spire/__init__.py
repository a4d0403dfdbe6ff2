"""An embedded SPIRE server: what a real one shows to a client, in memory, on real sockets.

For the demo and for tests. It knows the product only through the wire: it
imports ``api`` and nothing of ``registrar``. That it behaves as a real server
does is what ``tests/conformance/spire`` checks against both.
"""
