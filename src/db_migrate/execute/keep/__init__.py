"""Kept data: what a step would destroy is put aside before it, and put back when the step is undone."""
