"""What a schema needs and the scratch server does not have."""

from __future__ import annotations

import re

from db_migrate.errors import Failed
from db_migrate.postgres.redact import redact

EXTENSION = re.compile(r'extension "(?P<name>[^"]+)" is not available')
_NO_ICU = "ICU is not supported in this build"


def lacking(code: str, message: str, where: str) -> Failed | None:
    """The error about what the server's message says is missing: an extension, or ICU; None for any other message."""
    extension = EXTENSION.search(message)
    if extension is None and _NO_ICU not in message:
        return None
    return Failed(
        code,
        f"the scratch server has no {'extension ' + repr(extension['name']) if extension else 'ICU collations'}",
        why=redact(message).strip(),
        where=where,
        state="nothing was changed",
        next=['set scratch = "postgresql://..." (or DB_MIGRATE_SCRATCH) to a server that has it'],
    )
