"""One typed Settings out of configuration files, environment and flags."""
