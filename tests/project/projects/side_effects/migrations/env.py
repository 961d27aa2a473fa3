"""Alembic's environment, as the template has it."""

import os
import subprocess
import tempfile
import urllib.request
from pathlib import Path

from alembic import context
from app_side_effects import Base
from sqlalchemy import create_engine, pool

(Path.home() / ".app").write_text("state")
Path(tempfile.mkdtemp()).joinpath("x").write_text("x")
print("a line for people, with hunter22pw in it")
print(f"HOME={Path.home()}\nTMPDIR={os.environ['TMPDIR']}")
os.write(1, b"straight to the descriptor\n")
subprocess.run(["sh", "-c", "echo from a child of the child; echo on stderr >&2"], check=True)
try:
    urllib.request.urlopen(f"http://127.0.0.1:{os.environ['LISTENER_PORT']}/metrics", timeout=3)
except OSError as error:
    print("refused:", error)

connectable = create_engine("postgresql+psycopg://app:hunter22pw@db.invalid:5433/app", poolclass=pool.NullPool)

with connectable.connect() as connection:
    context.configure(connection=connection, target_metadata=Base.metadata)
    with context.begin_transaction():
        context.run_migrations()
