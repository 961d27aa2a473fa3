"""What SQLAlchemy has no construct for: a schema, a function with triggers, a view, a policy, statistics and such.

These run with `Base.metadata.create_all()`, so that a database made from the models is the one that the revisions
make. What belongs to one table is tied to that table: it runs when, and only when, the table is created. Two things
are left to the revisions alone, as they are decided where the service runs: grants, and the partitions of
`node_metrics`.
"""

from sqlalchemy import DDL, event

from src.database.base import Base
from src.database.governance import GovernanceVote
from src.database.identity import ApiKey, User, UserSession
from src.database.mesh import MeshNode
from src.database.operations import Playbook

CREATE_TOUCH_FUNCTION = """
CREATE OR REPLACE FUNCTION touch_updated_at() RETURNS trigger
    LANGUAGE plpgsql AS $$
BEGIN
    NEW.updated_at := now();
    RETURN NEW;
END
$$
"""

CREATE_OPEN_INVOICES = """
CREATE OR REPLACE VIEW open_invoices AS
SELECT i.id, i.number, i.customer_id, i.total, i.due_on, (i.due_on < CURRENT_DATE) AS overdue
FROM invoices AS i
WHERE i.status IN ('draft', 'open')
"""

TOUCH_USERS = """
CREATE TRIGGER touch_updated_at BEFORE UPDATE OF email, full_name, role, preferences ON users
    FOR EACH ROW EXECUTE FUNCTION touch_updated_at()
"""

TOUCH_PLAYBOOKS = """
CREATE TRIGGER touch_updated_at BEFORE UPDATE ON playbooks
    FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION touch_updated_at()
"""

SESSIONS_FILLFACTOR = "ALTER TABLE sessions SET (fillfactor = 70)"

API_KEYS_ROW_SECURITY = "ALTER TABLE api_keys ENABLE ROW LEVEL SECURITY"

API_KEYS_POLICY = """
CREATE POLICY own_keys ON api_keys
    USING (user_id::text = current_setting('mesh.user_id', true))
    WITH CHECK (user_id::text = current_setting('mesh.user_id', true))
"""

VOTES_REPLICA_IDENTITY = "ALTER TABLE governance_votes REPLICA IDENTITY USING INDEX governance_one_vote_each"

NODES_STATISTICS = "CREATE STATISTICS mesh_nodes_mesh_id_state (dependencies, mcv) ON mesh_id, state FROM mesh_nodes"


def _ddl(statement: str) -> DDL:
    """The statement as it is: DDL() would take a % for a format."""
    return DDL(statement.strip().replace("%", "%%"))  # type: ignore[no-untyped-call] # untyped in SQLAlchemy


event.listen(Base.metadata, "before_create", _ddl("CREATE SCHEMA IF NOT EXISTS event_store"))
event.listen(Base.metadata, "before_create", _ddl(CREATE_TOUCH_FUNCTION))
event.listen(User.__table__, "after_create", _ddl(TOUCH_USERS))
event.listen(Playbook.__table__, "after_create", _ddl(TOUCH_PLAYBOOKS))
event.listen(UserSession.__table__, "after_create", _ddl(SESSIONS_FILLFACTOR))
event.listen(ApiKey.__table__, "after_create", _ddl(API_KEYS_ROW_SECURITY))
event.listen(ApiKey.__table__, "after_create", _ddl(API_KEYS_POLICY))
event.listen(GovernanceVote.__table__, "after_create", _ddl(VOTES_REPLICA_IDENTITY))
event.listen(MeshNode.__table__, "after_create", _ddl(NODES_STATISTICS))
event.listen(Base.metadata, "after_create", _ddl(CREATE_OPEN_INVOICES))
event.listen(Base.metadata, "before_drop", _ddl("DROP VIEW IF EXISTS open_invoices"))
event.listen(Base.metadata, "after_drop", _ddl("DROP FUNCTION IF EXISTS touch_updated_at()"))
event.listen(Base.metadata, "after_drop", _ddl("DROP SCHEMA IF EXISTS event_store"))
