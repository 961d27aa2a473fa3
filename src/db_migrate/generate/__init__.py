"""New revisions: Alembic proposes, the catalog diff decides, the safe form is written, both ways are proved."""
