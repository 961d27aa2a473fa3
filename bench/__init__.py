"""Reproducible comparisons with what people use today: `make bench`."""
