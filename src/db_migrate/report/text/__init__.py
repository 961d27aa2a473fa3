"""Results as text for people: one module per result, plain functions from value and style to text."""
