"""Queries and small transactions, free of HTTP; each module uses the models of one part only."""
