"""Programs that use SVIDs, to try a topology with: a client, a server, and an authorizer for Envoy.

They need nothing but what the registrar has: its client of the Workload API, aiohttp and
cryptography. The PyPI package ``spiffe`` would bring a second one of each.
"""
