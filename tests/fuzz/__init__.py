"""Hostile inputs, made up by the thousand, to everything that reads what others wrote."""
