"""The caches of one process: what its sources know of the objects, wherever these come from."""
