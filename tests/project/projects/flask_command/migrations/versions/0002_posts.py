"""posts"""

import sqlalchemy as sa
from alembic import op
from flask import current_app

# Reads the application's configuration while it is imported.
DATABASE = current_app.config["SQLALCHEMY_DATABASE_URI"]

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "posts",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("user_id", sa.Integer, sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    )
    op.execute("INSERT INTO users (name) VALUES ('100%')")


def downgrade() -> None:
    op.drop_table("posts")
