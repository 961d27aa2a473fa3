"""Servers and sessions: addresses, binaries, scratch servers and databases, dumps, roles, locks between runners."""
