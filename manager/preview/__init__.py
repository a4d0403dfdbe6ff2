"""What a registrar would do, found out by the registrar's own code on servers that only seem to
take writes: the commands ``plan`` and ``explain`` show it.
"""
