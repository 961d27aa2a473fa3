"""``python -m db_migrate`` is the command ``db-migrate``."""

import sys

from db_migrate.cli import main

sys.exit(main())
