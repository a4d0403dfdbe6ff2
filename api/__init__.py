"""What goes over a wire or lies in YAML: types, codecs and the CRD schemas made from them."""
