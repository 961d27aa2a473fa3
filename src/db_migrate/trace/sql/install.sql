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
    PERFORM db_migrate_scratch.note(json_build_object(
        'event', 'drop', 'type', object_type, 'name', object_identity, 'original', original))
       FROM pg_event_trigger_dropped_objects()
      WHERE NOT is_temporary AND object_type IN (
            'table', 'table column', 'view', 'materialized view', 'foreign table', 'sequence', 'index', 'schema', 'type',
            'function', 'procedure', 'aggregate', 'extension', 'trigger', 'policy', 'rule', 'table constraint',
            'statistics object', 'publication', 'server');
END
$function$;

CREATE EVENT TRIGGER db_migrate_scratch_rewrite ON table_rewrite EXECUTE FUNCTION db_migrate_scratch.on_rewrite();
CREATE EVENT TRIGGER db_migrate_scratch_drop ON sql_drop EXECUTE FUNCTION db_migrate_scratch.on_drop();

GRANT USAGE ON SCHEMA db_migrate_scratch TO PUBLIC;
