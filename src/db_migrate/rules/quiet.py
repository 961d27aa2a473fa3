"""What must raise nothing: forms that look dangerous and are not, each with an example that the tests run.

They are listed with the rules because a false alarm here is a defect; ``explain`` knows them by name.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Quiet:
    """A form that is fine, why, the rules that must not fire for it, and a body of ``upgrade()`` that uses it."""

    id: str
    why: str
    not_by: tuple[str, ...]
    example: str
    since: int = 0


QUIET = (
    Quiet(
        "rename-behind-a-view",
        "a view that can be written to has the old names of the table and of its columns",
        ("rename-table", "rename-column", "raw-sql-unchecked"),
        """op.rename_table("users", "accounts")
op.alter_column("accounts", "nickname", new_column_name="nick")
op.execute("CREATE VIEW users AS SELECT id, email, nick AS nickname FROM accounts")""",
    ),
    Quiet(
        "add-column-ambiguous-now",
        "now() and CURRENT_TIMESTAMP are STABLE: the value is computed once and stored in the catalog",
        ("add-column-volatile-default", "rewrite-under-lock"),
        'op.add_column("users", sa.Column("joined_at", sa.DateTime(timezone=True), server_default=sa.func.now()))',
    ),
    Quiet(
        "change-type-binary-coercible",
        "a longer varchar, text for varchar, and more digits of numeric are stored the same way",
        ("change-type-rewrite", "change-type-narrowing", "change-type-recheck-constraint", "rewrite-under-lock"),
        """op.alter_column("users", "nickname", type_=sa.String(200))
op.alter_column("orders", "note", type_=sa.Text())
op.alter_column("invoices", "amount", type_=sa.Numeric(14, 2))""",
    ),
    Quiet(
        "add-unique-using-index",
        "the index is there: ACCESS EXCLUSIVE for an instant, nothing is read",
        ("add-unique-constraint", "create-index-blocking", "unique-on-existing-data"),
        """op.execute("ALTER TABLE invoices ADD CONSTRAINT invoices_key UNIQUE USING INDEX uq_invoices_number")""",
    ),
    Quiet(
        "index-in-new-table-exempt",
        "a table that the same run made is empty and nobody else can see it",
        (
            "create-index-blocking",
            "add-unique-constraint",
            "add-foreign-key-validating",
            "add-check-validating",
            "set-not-null-scan",
            "unique-on-existing-data",
            "add-primary-key",
        ),
        """op.create_table("tags", sa.Column("id", sa.BigInteger()), sa.Column("name", sa.Text()))
op.create_index("ix_tags_name", "tags", ["name"])
op.create_primary_key("tags_pkey", "tags", ["id"])
op.create_unique_constraint("tags_name_key", "tags", ["name"])
op.create_check_constraint("tags_name_check", "tags", "name <> ''")
op.alter_column("tags", "name", nullable=False)""",
    ),
    Quiet(
        "set-not-null-with-valid-check",
        "a valid CHECK (c IS NOT NULL) proves it: nothing is scanned",
        ("set-not-null-scan",),
        """op.create_check_constraint("named", "users", "full_name IS NOT NULL", postgresql_not_valid=True)
op.execute("ALTER TABLE users VALIDATE CONSTRAINT named")
op.alter_column("users", "full_name", nullable=False)""",
    ),
    Quiet(
        "add-column-generated-virtual",
        "a VIRTUAL generated column is computed when it is read",
        ("add-column-generated-stored", "rewrite-under-lock"),
        'op.execute("ALTER TABLE users ADD COLUMN folded text GENERATED ALWAYS AS (lower(email)) VIRTUAL")',
        since=18,
    ),
    Quiet(
        "add-column-nullable-references",
        "a new column without a default has no values to check",
        ("add-foreign-key-validating", "rewrite-under-lock"),
        'op.execute("ALTER TABLE audit ADD COLUMN user_id bigint REFERENCES users (id) ON DELETE SET NULL")',
    ),
    Quiet(
        "add-column-constant-default",
        "since 11 a constant default is stored in the catalog and no row is touched",
        ("add-column-volatile-default", "add-column-not-null-no-default", "rewrite-under-lock"),
        'op.add_column("users", sa.Column("plan", sa.Text(), nullable=False, server_default="free"))',
    ),
)
