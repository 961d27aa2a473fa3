"""What holds on to a table or a column that is about to be put aside, and would not let the stand-in be dropped alone.

All of it is what the statement drops itself, with the table or with CASCADE; where it is not, the proof on scratch
finds another schema than without keeping, and something else is chosen.
"""

from __future__ import annotations

from db_migrate.execute.keep.store import each_of, literal

_VIEWS = """
SELECT DISTINCT 'DROP ' || CASE v.relkind WHEN 'm' THEN 'MATERIALIZED ' ELSE '' END || 'VIEW IF EXISTS '
       || v.oid::pg_catalog.regclass || ' CASCADE'
  FROM pg_catalog.pg_depend d
  JOIN pg_catalog.pg_rewrite r ON r.oid = d.objid
  JOIN pg_catalog.pg_class v ON v.oid = r.ev_class
 WHERE d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass
   AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = {table}::pg_catalog.regclass
   AND {column} IN (0, d.refobjsubid) AND v.oid <> d.refobjid AND v.relkind IN ('v', 'm')
"""

_OF_TABLE = """
SELECT 'ALTER TABLE ' || k.conrelid::pg_catalog.regclass || ' DROP CONSTRAINT ' || pg_catalog.quote_ident(k.conname)
  FROM pg_catalog.pg_constraint k
 WHERE k.contype = 'f' AND k.conparentid = 0
   AND {table}::pg_catalog.regclass IN (k.conrelid::pg_catalog.regclass, k.confrelid::pg_catalog.regclass)
UNION ALL
SELECT 'DROP TRIGGER ' || pg_catalog.quote_ident(g.tgname) || ' ON ' || g.tgrelid::pg_catalog.regclass
  FROM pg_catalog.pg_trigger g WHERE g.tgrelid = {table}::pg_catalog.regclass AND NOT g.tgisinternal
UNION ALL
SELECT 'ALTER PUBLICATION ' || pg_catalog.quote_ident(p.pubname) || ' DROP TABLE ' || r.prrelid::pg_catalog.regclass
  FROM pg_catalog.pg_publication_rel r JOIN pg_catalog.pg_publication p ON p.oid = r.prpubid
 WHERE r.prrelid = {table}::pg_catalog.regclass
UNION ALL
SELECT 'DROP POLICY ' || pg_catalog.quote_ident(p.polname) || ' ON ' || p.polrelid::pg_catalog.regclass
  FROM pg_catalog.pg_policy p WHERE p.polrelid = {table}::pg_catalog.regclass
"""

_OF_COLUMN = """
WITH tied AS (
SELECT d.classid, d.objid FROM pg_catalog.pg_depend d
 WHERE d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = {table}::pg_catalog.regclass
   AND d.refobjsubid = {column}
), keys AS (
SELECT k.oid, k.contype, k.conrelid, k.conname FROM pg_catalog.pg_constraint k
 WHERE k.conparentid = 0 AND k.contype <> 'n'
   AND (k.conrelid = {table}::pg_catalog.regclass AND {column} = ANY (k.conkey)
        OR k.confrelid = {table}::pg_catalog.regclass AND {column} = ANY (k.confkey)
        OR k.oid IN (SELECT t.objid FROM tied t WHERE t.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass))
)
SELECT command FROM (
SELECT CASE k.contype WHEN 'f' THEN 1 ELSE 2 END, 'ALTER TABLE ' || k.conrelid::pg_catalog.regclass
       || ' DROP CONSTRAINT ' || pg_catalog.quote_ident(k.conname)
  FROM keys k
UNION ALL
SELECT 3, 'DROP INDEX ' || i.indexrelid::pg_catalog.regclass
  FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid AND NOT c.relispartition
 WHERE i.indrelid = {table}::pg_catalog.regclass AND i.indexrelid IN (SELECT t.objid FROM tied t
        WHERE t.classid = 'pg_catalog.pg_class'::pg_catalog.regclass)
   AND i.indexrelid NOT IN (SELECT k.conindid FROM pg_catalog.pg_constraint k WHERE k.conrelid = i.indrelid)
UNION ALL
SELECT 4, 'DROP STATISTICS ' || pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(s.stxname)
  FROM pg_catalog.pg_statistic_ext s JOIN pg_catalog.pg_namespace n ON n.oid = s.stxnamespace
 WHERE s.oid IN (SELECT t.objid FROM tied t WHERE t.classid = 'pg_catalog.pg_statistic_ext'::pg_catalog.regclass)
UNION ALL
SELECT 5, 'DROP TRIGGER ' || pg_catalog.quote_ident(g.tgname) || ' ON ' || g.tgrelid::pg_catalog.regclass
  FROM pg_catalog.pg_trigger g
 WHERE NOT g.tgisinternal AND coalesce(pg_catalog.to_jsonb(g) ->> 'tgparentid', '0') = '0'
   AND g.oid IN (SELECT t.objid FROM tied t WHERE t.classid = 'pg_catalog.pg_trigger'::pg_catalog.regclass)
UNION ALL
SELECT 6, 'DROP POLICY ' || pg_catalog.quote_ident(p.polname) || ' ON ' || p.polrelid::pg_catalog.regclass
  FROM pg_catalog.pg_policy p
 WHERE p.oid IN (SELECT t.objid FROM tied t WHERE t.classid = 'pg_catalog.pg_policy'::pg_catalog.regclass)
) AS commands (place, command) ORDER BY place
"""


def ties_of(table: str, column: int = 0) -> list[str]:
    """Steps for ``at_once`` that take off what depends on a table, or on its column of that number."""
    place = {"table": literal(table), "column": column}
    return [each_of(_VIEWS.format(**place)), each_of((_OF_COLUMN if column else _OF_TABLE).format(**place))]
