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


ROLES = """
op.execute("CREATE TABLE accounts (id int PRIMARY KEY)")
op.execute("CREATE ROLE shop_reader NOLOGIN; CREATE USER \\"shop Writer\\" NOLOGIN")
op.execute("GRANT SELECT ON accounts TO shop_reader, \\"shop Writer\\"")
"""
NO_ROLES = """
op.execute("DROP TABLE accounts")
op.execute("DROP ROLE IF EXISTS shop_reader, \\"shop Writer\\"")
"""


def test_roles_that_revisions_make_are_made_again(tmp_path: Path, target_server: TargetServer) -> None:
    """What is kept of one run does not keep the next from making the same roles, or from dropping them."""
    project = make_project(tmp_path, target_server.new_database())
    project.sql('DROP ROLE IF EXISTS shop_reader, "shop Writer"')
    revision = project.revision("r1", ROLES, NO_ROLES)

    assert project.run("plan", "--json").code == 0
    assert project.run("drift", "--from", "history", "--to", "live", "--json").code == 1
    revision.write_text(revision.read_text() + "# edited\n")
    planned = project.run("plan", "--json")
    assert planned.code == 0, planned.out + planned.err
    again = project.run("drift", "--from", "history", "--to", "live", "--no-cache", "--json")
    assert again.code == 1, again.out + again.err
    for words in (("apply",), ("rollback", "base", "--confirm", project.database.dbname), ("apply",)):
        done = project.run(*words, "--json")
        assert done.code == 0, done.out + done.err
    assert project.run("verify").code == 0
    project.run("rollback", "base", "--confirm", project.database.dbname)
