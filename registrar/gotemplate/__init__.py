"""Go's text/template in Python: parsed once, rendered by closures, within limits."""
