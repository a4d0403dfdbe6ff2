"""The modes: one for each way to run the registrar; what a mode brings stands in ``mode.py``."""
