"""Adds up a column of numbers."""
