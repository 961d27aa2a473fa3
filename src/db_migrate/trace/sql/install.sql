-- What watches a trace from inside the scratch database. It belongs to the superuser; the role that the revision runs
-- as may only call the functions that are added after this.
CREATE SCHEMA db_migrate_scratch;

-- Each event appends to a setting of the session, which a rollback takes back together with what it describes.
CREATE FUNCTION db_migrate_scratch.note(entry json) RETURNS void
    LANGUAGE sql SET search_path = pg_catalog AS $function$
SELECT set_config('db_migrate_scratch.events', coalesce(current_setting('db_migrate_scratch.events', true), '') || entry::text || E'\n', false);
$function$;

CREATE FUNCTION db_migrate_scratch.on_rewrite() RETURNS event_trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $function$
BEGIN
    PERFORM db_migrate_scratch.note(json_build_object(
        'event', 'rewrite', 'oid', pg_event_trigger_table_rewrite_oid()::bigint, 'reason', pg_event_trigger_table_rewrite_reason()));
END
$function$;

CREATE FUNCTION db_migrate_scratch.on_drop() RETURNS event_trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $function$
BEGIN
    PERFORM db_migrate_scratch.note(json_build_object('event', 'touched', 'oids', json_agg(relid::bigint)))
       FROM (SELECT DISTINCT CASE
                    WHEN classid = 'pg_class'::regclass THEN objid
                    WHEN array_length(address_names, 1) = 3
                    THEN to_regclass(format('%I.%I', address_names[1], address_names[2]))::oid END AS relid
               FROM pg_event_trigger_dropped_objects()) AS each
      WHERE relid IS NOT NULL
     HAVING count(*) > 0;
    PERFORM db_migrate_scratch.note(json_build_object(
        'event', 'drop', 'type', object_type, 'name', object_identity, 'original', original))
       FROM pg_event_trigger_dropped_objects()
      WHERE NOT is_temporary AND object_type IN (
            'table', 'table column', 'view', 'materialized view', 'foreign table', 'sequence', 'index', 'schema', 'type',
            'function', 'procedure', 'aggregate', 'extension', 'trigger', 'policy', 'rule', 'table constraint',
            'statistics object', 'publication', 'server');
END
$function$;

-- The relations that a command was about, 0 for what is about none; and the locks at the end of one whose own transaction
-- will be over before anybody can look.
CREATE FUNCTION db_migrate_scratch.on_end() RETURNS event_trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $function$
BEGIN
    PERFORM db_migrate_scratch.note(json_build_object('event', 'touched', 'oids', json_agg(coalesce(CASE classid
            WHEN 'pg_class'::regclass THEN objid
            WHEN 'pg_constraint'::regclass THEN (SELECT k.conrelid FROM pg_constraint k WHERE k.oid = objid)
            WHEN 'pg_trigger'::regclass THEN (SELECT g.tgrelid FROM pg_trigger g WHERE g.oid = objid)
            WHEN 'pg_policy'::regclass THEN (SELECT p.polrelid FROM pg_policy p WHERE p.oid = objid)
            END, 0)::bigint)))
       FROM pg_event_trigger_ddl_commands()
     HAVING count(*) > 0;
    IF current_setting('db_migrate_scratch.alone', true) = 'on' THEN
        PERFORM db_migrate_scratch.note(json_build_object('event', 'locks', 'locks', json_agg(json_build_array(l.relation::bigint, l.mode))))
           FROM pg_locks l
          WHERE l.pid = pg_backend_pid() AND l.locktype = 'relation' AND l.granted AND l.relation >= 16384
            AND l.mode <> 'SIReadLock'
         HAVING count(*) > 0;
    END IF;
END
$function$;

CREATE EVENT TRIGGER db_migrate_scratch_rewrite ON table_rewrite EXECUTE FUNCTION db_migrate_scratch.on_rewrite();
CREATE EVENT TRIGGER db_migrate_scratch_drop ON sql_drop EXECUTE FUNCTION db_migrate_scratch.on_drop();
CREATE EVENT TRIGGER db_migrate_scratch_end ON ddl_command_end EXECUTE FUNCTION db_migrate_scratch.on_end();

-- The relations, indexes apart, that the current transaction may have changed (it holds more than the locks of reading
-- and writing rows on them), those whose printed form mentions them, and the parents that a partition is printed beside.
-- Those that it dropped are among them. Where it holds many, `touched` are the ones that the last statement was about, if
-- that is known; with a sequence goes the table whose column has it for an identity.
CREATE FUNCTION db_migrate_scratch.reach(touched oid[]) RETURNS oid[]
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $function$
BEGIN
-- What is done to a parent is done to its children, whatever the command names.
IF EXISTS (SELECT FROM pg_inherits h WHERE h.inhrelid = ANY (touched) OR h.inhparent = ANY (touched)) THEN
    touched := NULL;
END IF;
RETURN (
WITH RECURSIVE concerned AS (
SELECT l.relation
  FROM pg_locks l
 WHERE touched IS NULL AND l.pid = pg_backend_pid() AND l.locktype = 'relation' AND l.relation >= 16384
   AND l.mode NOT IN ('AccessShareLock', 'RowShareLock', 'RowExclusiveLock', 'SIReadLock')
 UNION
SELECT t.relation FROM unnest(touched) AS t (relation)
 UNION
SELECT d.refobjid
  FROM unnest(touched) AS t (relation)
  JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = t.relation
   AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')
), strong AS MATERIALIZED (
SELECT DISTINCT coalesce(i.indrelid, o.relation) AS relid
  FROM concerned o
  LEFT JOIN pg_index i ON i.indexrelid = o.relation
), referred AS (
SELECT 'pg_class'::regclass AS class, s.relid AS id FROM strong s
 UNION ALL
SELECT 'pg_type'::regclass, row_type.id
  FROM strong s
  JOIN pg_type t ON t.typrelid = s.relid
 CROSS JOIN LATERAL (VALUES (t.oid), (t.typarray)) AS row_type (id)
), dependent AS (
SELECT CASE d.classid
       WHEN 'pg_class'::regclass THEN coalesce((SELECT i.indrelid FROM pg_index i WHERE i.indexrelid = d.objid), d.objid)
       WHEN 'pg_constraint'::regclass THEN (SELECT k.conrelid FROM pg_constraint k WHERE k.oid = d.objid)
       WHEN 'pg_rewrite'::regclass THEN (SELECT r.ev_class FROM pg_rewrite r WHERE r.oid = d.objid)
       WHEN 'pg_trigger'::regclass THEN (SELECT g.tgrelid FROM pg_trigger g WHERE g.oid = d.objid)
       WHEN 'pg_policy'::regclass THEN (SELECT p.polrelid FROM pg_policy p WHERE p.oid = d.objid)
       WHEN 'pg_attrdef'::regclass THEN (SELECT f.adrelid FROM pg_attrdef f WHERE f.oid = d.objid)
       END AS relid
  FROM referred r
  JOIN pg_depend d ON d.refclassid = r.class AND d.refobjid = r.id
), reached AS (
SELECT s.relid FROM strong s
 UNION
SELECT d.relid FROM dependent d WHERE d.relid <> 0
 UNION
SELECT h.inhparent FROM reached r JOIN pg_inherits h ON h.inhrelid = r.relid
)
SELECT coalesce(array_agg(r.relid), '{}') FROM reached r);
END
$function$;
