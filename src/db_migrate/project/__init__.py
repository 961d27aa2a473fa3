"""A user's Alembic project: its revision files, its graph, and the child process that alone runs its code.

``files`` and ``graph`` read the revisions' syntax trees and import nothing; ``config`` finds the project;
``child_process`` starts the jailed child (package ``child``) and talks with it in messages (``events``, ``jobs``).
"""
