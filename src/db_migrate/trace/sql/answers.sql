-- The answers to questions, each a function of this schema, as one JSON list; with `reached` after what reach(touched)
-- says, about whose relations they then are. The printing of views and rules locks what they read, so all of it happens in a
-- subtransaction that is taken back. NULL when another session's lock is in the way.
CREATE FUNCTION db_migrate_scratch.answers(questions text[], reached boolean, touched oid[]) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog SET lock_timeout = '500ms' SET plan_cache_mode = force_generic_plan AS $function$
DECLARE
    question text;
    relations oid[];
    found text[] := '{}';
BEGIN
    BEGIN
        IF reached THEN
            relations := db_migrate_scratch.reach(touched);
            found := ARRAY[to_json(relations::bigint[])::text];
        END IF;
        FOREACH question IN ARRAY questions LOOP
            found := found || CASE question
/* choices */
                END;
        END LOOP;
        RAISE SQLSTATE 'DBM00';
    EXCEPTION
        WHEN SQLSTATE 'DBM00' THEN RETURN '[' || array_to_string(found, ',') || ']';
        WHEN lock_not_available THEN RETURN NULL;
    END;
END
$function$;
