-- Let this transaction look through the search_path that the role's and the database's settings give to every session.
SELECT set_config('search_path', (SELECT reset_val FROM pg_settings WHERE name = 'search_path'), true)
