"""The gRPC interfaces of SPIRE and of the SPIFFE Workload API: ``.proto`` files and their stubs.

Written from the public wire facts. The ``package`` lines are what goes over
the wire; the import paths are ours. ``hack/generate_protos.py`` writes the
``_pb2`` modules, which are committed and never edited.
"""
