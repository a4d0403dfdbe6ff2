"""The demo: what happens on the embedded cluster, and how it is shown.

It is the top layer and ships with ``devcluster``, never with the product.
"""
