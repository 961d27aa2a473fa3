"""Diagnoses of what is not as it should be, and what ends each."""
