"""The process and its command line: the only place where everything meets."""
