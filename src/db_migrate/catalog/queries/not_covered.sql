-- What exists and is not modelled: it is named, never skipped in silence.
--when EXISTS (SELECT FROM pg_opclass WHERE oid >= 16384) OR EXISTS (SELECT FROM pg_opfamily WHERE oid >= 16384)
--when OR EXISTS (SELECT FROM pg_conversion WHERE oid >= 16384) OR EXISTS (SELECT FROM pg_language WHERE oid >= 16384)
--when OR EXISTS (SELECT FROM pg_transform WHERE oid >= 16384) OR EXISTS (SELECT FROM pg_am WHERE oid >= 16384)
--when OR EXISTS (SELECT FROM pg_ts_parser WHERE oid >= 16384) OR EXISTS (SELECT FROM pg_ts_template WHERE oid >= 16384)
--when OR EXISTS (SELECT FROM pg_type WHERE oid >= 16384 AND typtype = 'b' AND typelem = 0)
--when OR EXISTS (SELECT FROM pg_subscription) OR EXISTS (SELECT FROM pg_foreign_server)
--when OR EXISTS (SELECT FROM pg_seclabel) OR EXISTS (SELECT FROM pg_largeobject_metadata)
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
       UNION ALL SELECT 'pg_opfamily'::regclass, f.oid FROM pg_opfamily f
                  WHERE f.oid >= 16384 AND NOT EXISTS (SELECT FROM pg_opclass c WHERE c.opcfamily = f.oid)
       ) AS o
  CROSS JOIN LATERAL pg_identify_object(o.classid, o.oid, 0) i
 WHERE NOT EXISTS (SELECT FROM pg_depend x WHERE x.classid = o.classid AND x.objid = o.oid AND x.deptype = 'e')
   AND coalesce(i.schema, '') NOT IN ('db_migrate', 'db_migrate_kept')
UNION ALL
SELECT 'subscription', quote_ident(s.subname), 'its connection string may hold a password'
  FROM pg_subscription s JOIN pg_database d ON d.oid = s.subdbid WHERE d.datname = current_database()
UNION ALL
SELECT 'user mapping', quote_ident(m.usename::text) || ' on ' || quote_ident(m.srvname), 'its options may hold a password'
  FROM pg_user_mappings m WHERE m.usename IS NOT NULL
UNION ALL
SELECT 'security label', coalesce(l.objnamespace::regnamespace::text || '.', '') || l.objname, 'this kind of object is not compared'
  FROM pg_seclabels l WHERE l.classoid <> 'pg_largeobject'::regclass AND l.classoid::regclass::text !~ 'database|authid|tablespace'
UNION ALL
SELECT 'large object', count(*)::text, 'large objects are data, not schema'
  FROM pg_largeobject_metadata HAVING count(*) > 0
ORDER BY 1, 2
