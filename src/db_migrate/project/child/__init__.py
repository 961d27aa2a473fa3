"""The child process: the only place where a user's code runs.

``__main__`` locks the door and takes jobs; ``drivers`` turns every connection to where it may go; ``capture`` and
``sessions`` see each statement and the end of each transaction; ``running``, ``modelling`` and ``learning`` are the
jobs. Nothing here is imported by the parent, and SQLAlchemy and Alembic are imported nowhere else.
"""
