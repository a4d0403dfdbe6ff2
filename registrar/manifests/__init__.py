"""Objects out of files, where there is no cluster to read them from."""
