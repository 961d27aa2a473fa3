-- What exists and is not modelled: it is named, never skipped in silence.
SELECT i.type AS kind, i.identity AS name, 'this kind of object is not compared' AS reason
  FROM (
       SELECT 'pg_opclass'::regclass AS classid, oid FROM pg_opclass WHERE oid >= 16384
       UNION ALL SELECT 'pg_conversion'::regclass, oid FROM pg_conversion WHERE oid >= 16384
       UNION ALL SELECT 'pg_language'::regclass, oid FROM pg_language WHERE oid >= 16384
       UNION ALL SELECT 'pg_transform'::regclass, oid FROM pg_transform WHERE oid >= 16384
       UNION ALL SELECT 'pg_am'::regclass, oid FROM pg_am WHERE oid >= 16384
       UNION ALL SELECT 'pg_ts_parser'::regclass, oid FROM pg_ts_parser WHERE oid >= 16384
       UNION ALL SELECT 'pg_ts_template'::regclass, oid FROM pg_ts_template WHERE oid >= 16384
       UNION ALL SELECT 'pg_type'::regclass, t.oid FROM pg_type t
                  WHERE t.oid >= 16384 AND t.typtype = 'b' AND t.typelem = 0
       ) AS o
  CROSS JOIN LATERAL pg_identify_object(o.classid, o.oid, 0) i
 WHERE NOT EXISTS (SELECT FROM pg_depend x WHERE x.classid = o.classid AND x.objid = o.oid AND x.deptype = 'e')
   AND coalesce(i.schema, '') NOT IN ('db_migrate', 'db_migrate_kept')
