"""Projects that run as an ordinary role, with settings of the role's own."""

from __future__ import annotations

from pathlib import Path

from ..conftest import TargetServer
from .conftest import make_project


def test_the_search_path_of_the_targets_role_holds_in_the_proof(tmp_path: Path, target_server: TargetServer) -> None:
    """A role whose tables go to a schema of its own makes them there on scratch as on the target."""
    superuser = target_server.new_database()
    project = make_project(tmp_path, superuser)
    project.sql(
        "DROP ROLE IF EXISTS shop_owner",
        "CREATE ROLE shop_owner LOGIN PASSWORD 'canary-7c1'",
        "CREATE SCHEMA shop AUTHORIZATION shop_owner",
        f"GRANT CREATE ON DATABASE {superuser.dbname} TO shop_owner",
        f"ALTER ROLE shop_owner IN DATABASE {superuser.dbname} SET search_path = shop, public",
    )
    project.database = superuser.replace(user="shop_owner", password="canary-7c1")
    project.revision(
        "r1", "op.create_table('orders', sa.Column('id', sa.Integer, primary_key=True))", "op.drop_table('orders')"
    )

    planned = project.run("plan", "--json")
    applied = project.run("apply", "--json", "--yes")

    changes = planned.json["revisions"][0]["statements"]
    assert any(c["object"] == "shop.orders" for s in changes for c in s["effects"]["changes"]), planned.out
    assert applied.code == 0, applied.out + applied.err
    assert project.sql("SELECT to_regclass('shop.orders') IS NOT NULL") == [(True,)]
    for outcome in (planned, applied):
        assert "canary-7c1" not in outcome.out + outcome.err
