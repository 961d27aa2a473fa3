"""Fill the database in DATABASE_URL with some 50,000 rows, the same ones every time: `python seed.py [ROWS]`."""

import sys

from sqlalchemy import Connection, create_engine, text

from src.settings import database_url

# Each table's share of all rows, in percent, and the statement that makes `:n` of its rows. They are made by
# PostgreSQL itself, with nothing random, so that two runs give the same database. Order: parents come first.
TABLES: tuple[tuple[str, int, str], ...] = (
    (
        "users",
        8,
        """
        INSERT INTO users (id, email, full_name, role, is_active, created_at, handle)
        SELECT md5('user' || i)::uuid, 'user' || i || '@example.org', 'User ' || i,
               CASE WHEN i % 100 = 0 THEN 'admin' WHEN i % 10 = 0 THEN 'operator' ELSE 'member' END,
               i % 17 <> 0, timestamptz '2025-01-15 00:00Z' + i * interval '97 seconds', 'user-' || i
        FROM generate_series(1, :n) AS i
        """,
    ),
    (
        "sessions",
        6,
        """
        INSERT INTO sessions (user_id, token_hash, ip_address, user_agent, started_at, expires_at)
        SELECT md5('user' || 1 + i % :users)::uuid, sha256(('session' || i)::bytea),
               ('10.1.' || i / 250 % 250 || '.' || i % 250)::inet, 'mesh-console/2.' || i % 9,
               timestamptz '2026-03-01 00:00Z' + i * interval '61 seconds',
               timestamptz '2026-03-01 12:00Z' + i * interval '61 seconds'
        FROM generate_series(1, :n) AS i
        """,
    ),
    (
        "api_keys",
        3,
        """
        INSERT INTO api_keys (id, user_id, name, key_hash, scopes, created_at)
        SELECT md5('key' || i)::uuid, md5('user' || 1 + i % :users)::uuid, 'key ' || i, sha256(('key' || i)::bytea),
               CASE WHEN i % 3 = 0 THEN ARRAY['mesh:read', 'mesh:write'] ELSE ARRAY['mesh:read'] END,
               timestamptz '2025-06-01 00:00Z' + i * interval '5 minutes'
        FROM generate_series(1, :n) AS i
        """,
    ),
    (
        "mesh_instances",
        1,
        """
        INSERT INTO mesh_instances (id, owner_id, slug, name, status, vni_range, node_quota, created_at)
        SELECT md5('mesh' || i)::uuid, md5('user' || 1 + i % :users)::uuid, 'mesh-' || i, 'Mesh ' || i, 'active',
               int4range(i * 16, i * 16 + 16), 64, timestamptz '2025-02-01 00:00Z' + i * interval '1 hour'
        FROM generate_series(1, :n) AS i
        """,
    ),
    (
        "mesh_nodes",
        10,
        """
        INSERT INTO mesh_nodes (mesh_id, name, ordinal, state, addresses, labels, latitude, longitude,
                                heartbeat_jitter, joined_at, last_seen_at, lease, firmware)
        SELECT md5('mesh' || 1 + i % :meshes)::uuid, 'node-' || i, 1 + i / :meshes,
               (ARRAY['online', 'online', 'online', 'offline', 'pending'])[1 + i % 5]::node_state,
               ARRAY[('10.2.' || i / 250 || '.' || i % 250)::inet],
               jsonb_build_object('rack', 'r' || i % 40, 'zone', 'z' || i % 3),
               round((i * 7 % 1800) / 10.0 - 90, 6), round((i * 13 % 3600) / 10.0 - 180, 6), 0.5,
               timestamp '2025-02-01 00:00' + i * interval '10 minutes',
               timestamptz '2026-03-31 00:00Z' + i * interval '1 second', interval '08:00', '1.' || i % 6 || '.0'
        FROM generate_series(1, :n) AS i
        """,
    ),
    (
        "acl_policies",
        2,
        """
        INSERT INTO acl_policies (id, mesh_id, name, priority, action, source, destination, ports, created_at)
        SELECT md5('acl' || i)::uuid, md5('mesh' || 1 + i % :meshes)::uuid, 'policy ' || i, i % 200,
               (ARRAY['allow', 'deny', 'log'])[1 + i % 3], ('10.' || i % 200 || '.0.0/16')::inet, '0.0.0.0/0',
               int4range(1000 + i % 100, 2000 + i % 100), timestamptz '2025-03-01 00:00Z' + i * interval '1 hour'
        FROM generate_series(1, :n) AS i
        """,
    ),
    (
        "node_metrics",
        14,
        """
        INSERT INTO node_metrics (node_id, recorded_at, latency_ms, packets)
        SELECT 1 + i % :nodes, timestamptz '2026-01-01 00:00Z' + i * interval '37 minutes',
               round(i * 37 % 9000 / 100.0, 3), i * 101
        FROM generate_series(1, :n) AS i
        """,
    ),
    (
        "marketplace_listings",
        3,
        """
        INSERT INTO marketplace_listings (seller_id, sku, mesh_id, node_name, title, description, price, status,
                                          listed_at)
        SELECT md5('user' || 1 + i % :users)::uuid, 'SKU-' || i, md5('mesh' || 1 + i % :meshes)::uuid, 'node-' || i,
               (ARRAY['Fast', 'Cheap', 'Reliable'])[1 + i % 3] || ' relay ' || i, 'Capacity in zone z' || i % 3,
               1 + i % 500 / 4.0, (ARRAY['open', 'open', 'draft', 'sold'])[1 + i % 4],
               timestamp '2025-04-01 00:00' + i * interval '20 minutes'
        FROM generate_series(1, :n) AS i
        """,
    ),
    (
        "marketplace_escrows",
        2,
        """
        INSERT INTO marketplace_escrows (listing_id, buyer_id, amount, state, hold_window, created_at)
        SELECT 1 + i % :listings, md5('user' || 1 + i * 7 % :users)::uuid, 1 + i % 900,
               (ARRAY['held', 'released', 'refunded'])[1 + i % 3],
               tstzrange(timestamptz '2026-01-01 00:00Z' + i * interval '1 hour',
                         timestamptz '2026-01-15 00:00Z' + i * interval '1 hour'),
               timestamptz '2026-01-01 00:00Z' + i * interval '1 hour'
        FROM generate_series(1, :n) AS i
        """,
    ),
    (
        "invoices",
        10,
        """
        INSERT INTO invoices (number, customer_id, subtotal, tax_rate, status, issued_on, due_on, created_at,
                              legacy_number)
        SELECT 'INV-' || lpad(i::text, 7, '0'), md5('user' || 1 + i % :users)::uuid, 10 + i % 1000, 0.2,
               (ARRAY['paid', 'paid', 'open', 'void'])[1 + i % 4], date '2025-04-01' + i % 360,
               date '2025-05-01' + i % 360, timestamptz '2025-04-01 00:00Z' + i % 360 * interval '1 day',
               CASE WHEN i % 4 <> 0 THEN 'OLD/' || i * 3 END
        FROM generate_series(1, :n) AS i
        """,
    ),
    (
        "payments",
        9,
        """
        INSERT INTO payments (id, invoice_id, amount, fee, method, provider_reference, received_at)
        SELECT md5('payment' || i)::uuid, 1 + i % :invoices, 1 + i % 50, 0.25,
               (ARRAY['card', 'sepa', 'wire'])[1 + i % 3]::payment_method, 'ref-' || i,
               timestamptz '2025-05-01 00:00Z' + i * interval '11 minutes'
        FROM generate_series(1, :n) AS i
        """,
    ),
    (
        "governance_proposals",
        1,
        """
        INSERT INTO governance_proposals (id, author_id, title, opens_at, closes_at)
        SELECT 100000 + i, md5('user' || 1 + i % :users)::uuid, 'Proposal ' || i,
               timestamptz '2026-01-01 00:00Z' + i * interval '1 hour',
               timestamptz '2026-01-08 00:00Z' + i * interval '1 hour'
        FROM generate_series(1, :n) AS i
        """,
    ),
    (
        "governance_votes",
        4,
        """
        INSERT INTO governance_votes (proposal_id, voter_id, choice, cast_at)
        SELECT 100001 + i % :proposals, md5('user' || 1 + i % :users)::uuid,
               (ARRAY['yes', 'no', 'abstain'])[1 + i % 3]::vote_choice,
               timestamptz '2026-01-02 00:00Z' + i * interval '1 minute'
        FROM generate_series(1, :n) AS i
        ON CONFLICT DO NOTHING
        """,
    ),
    (
        "sbom_entries",
        6,
        """
        INSERT INTO sbom_entries (node_id, purl, version, metadata, found_at)
        SELECT 1 + i % :nodes, 'pkg:deb/debian/package-' || i, '1.' || i % 20,
               jsonb_build_object('license', (ARRAY['MIT', 'Apache-2.0', 'GPL-3.0-only'])[1 + i % 3]),
               timestamptz '2026-02-01 00:00Z' + i * interval '1 minute'
        FROM generate_series(1, :n) AS i
        """,
    ),
    (
        "node_attestations",
        2,
        """
        INSERT INTO node_attestations (id, node_id, digest, signature, verified, attested_at)
        SELECT md5('attestation' || i)::uuid, 1 + i % :nodes, sha256(('boot' || i)::bytea),
               sha256(('signature' || i)::bytea), i % 5 <> 0, timestamptz '2026-02-01 00:00Z' + i * interval '1 hour'
        FROM generate_series(1, :n) AS i
        """,
    ),
    (
        "audit_logs",
        14,
        """
        INSERT INTO audit_logs (id, occurred_at, actor_id, action, entity_type, entity_id, payload)
        SELECT md5('audit' || i)::uuid, timestamptz '2025-02-10 00:00Z' + i * interval '53 minutes',
               md5('user' || 1 + i * 7 % :users)::uuid, (ARRAY['create', 'update', 'delete'])[1 + i % 3],
               (ARRAY['node', 'invoice', 'policy', 'user'])[1 + i % 4], i::text, jsonb_build_object('attempt', i % 3)
        FROM generate_series(1, :n) AS i
        """,
    ),
    (
        "event_store.events",
        5,
        """
        INSERT INTO event_store.events (stream_id, version, event_type, data, occurred_at)
        SELECT md5('stream' || i / 10)::uuid, 1 + i % 10, 'node.' || (ARRAY['joined', 'seen', 'left'])[1 + i % 3],
               jsonb_build_object('sequence', i), timestamptz '2026-01-01 00:00Z' + i * interval '1 minute'
        FROM generate_series(1, :n) AS i
        """,
    ),
)

# The few rows that do not grow with the number asked for.
FIXED = (
    "INSERT INTO playbooks (slug, title) SELECT 'playbook-' || i, 'Playbook ' || i FROM generate_series(1, 20) AS i",
    """
    INSERT INTO playbook_acknowledgements (playbook_id, user_id, version)
    SELECT p.id, u.id, p.version FROM playbooks AS p, (SELECT id FROM users ORDER BY id LIMIT 5) AS u
    """,
    """
    INSERT INTO maintenance_windows (during, reason)
    SELECT tstzrange(start, start + interval '2 hours'), 'monthly upgrade'
    FROM generate_series(timestamptz '2026-01-04 02:00Z', timestamptz '2026-06-04 02:00Z', '1 month') AS start
    """,
    """
    INSERT INTO event_store.snapshots (stream_id, version, state)
    SELECT stream_id, version, data FROM event_store.events WHERE version = 10
    """,
    "INSERT INTO global_config (key, value, description) VALUES ('region.default', '\"eu-1\"', 'Where meshes start')",
)


def _counts(rows: int) -> dict[str, int]:
    """How many rows each table gets: at least one, so that what refers to it finds it."""
    return {table: max(1, rows * share // 100) for table, share, _ in TABLES}


def _fill(connection: Connection, rows: int) -> int:
    counts = _counts(rows)
    parents = {
        "users": counts["users"],
        "meshes": counts["mesh_instances"],
        "nodes": counts["mesh_nodes"],
        "listings": counts["marketplace_listings"],
        "invoices": counts["invoices"],
        "proposals": counts["governance_proposals"],
    }
    added = 0
    for table, _, statement in TABLES:
        query = text(statement)
        wanted = {"n": counts[table], **parents}
        added += connection.execute(query, {name: wanted[name] for name in query.compile().params}).rowcount
    for statement in FIXED:
        added += connection.exec_driver_sql(statement).rowcount
    # Proposals came with their numbers, since the votes refer to them; the next one shall get a number of its own.
    connection.exec_driver_sql(
        "SELECT setval('governance_proposals_id_seq', (SELECT max(id) FROM governance_proposals))"
    )
    return added


def seed(url: str, rows: int = 50_000) -> int:
    """Fill an empty database, migrated to head, with about `rows` rows, in one transaction.

    Returns how many rows were added. A database that has users is left as it is: 0 is returned.
    """
    engine = create_engine(url)
    try:
        with engine.begin() as connection:
            if connection.scalar(text("SELECT EXISTS (SELECT FROM users)")):
                return 0
            added = _fill(connection, rows)
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            # PostgreSQL's own idea of the tables' sizes shall be right from the start.
            connection.exec_driver_sql("ANALYZE")
        return added
    finally:
        engine.dispose()


if __name__ == "__main__":
    added = seed(database_url(), int(sys.argv[1]) if len(sys.argv) > 1 else 50_000)
    print(f"{added} rows" if added else "there are users already: nothing was added")
