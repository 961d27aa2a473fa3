-- What keeps a server from being written to, and since when the holder of the lock has done nothing, in seconds.
-- Parameter: the holder's process.
SELECT pg_is_in_recovery(),
       (SELECT reset_val FROM pg_settings WHERE name = 'default_transaction_read_only'),
       (SELECT extract(epoch FROM clock_timestamp() - state_change)::float8 FROM pg_stat_activity WHERE pid = %(holder)s)
