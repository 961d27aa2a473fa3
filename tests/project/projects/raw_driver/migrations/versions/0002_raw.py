"""copies from the old database, behind SQLAlchemy's back"""

import os

import psycopg2

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    psycopg2.connect(host="127.0.0.1", port=os.environ["LISTENER_PORT"], user="app", dbname="old", connect_timeout=3)


def downgrade() -> None:
    pass
