-- A stand-in for PostgreSQL's uuid-ossp, in SQL: the same functions with the same signatures. Made for db-migrate's
-- scratch servers, where the real one is not built in. All functions give real results;
-- version 1 identifiers have a random node.

CREATE FUNCTION uuid_nil() RETURNS uuid LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN '00000000-0000-0000-0000-000000000000'::uuid;

CREATE FUNCTION uuid_ns_dns() RETURNS uuid LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN '6ba7b810-9dad-11d1-80b4-00c04fd430c8'::uuid;

CREATE FUNCTION uuid_ns_url() RETURNS uuid LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN '6ba7b811-9dad-11d1-80b4-00c04fd430c8'::uuid;

CREATE FUNCTION uuid_ns_oid() RETURNS uuid LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN '6ba7b812-9dad-11d1-80b4-00c04fd430c8'::uuid;

CREATE FUNCTION uuid_ns_x500() RETURNS uuid LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN '6ba7b814-9dad-11d1-80b4-00c04fd430c8'::uuid;

CREATE FUNCTION uuid_generate_v1() RETURNS uuid LANGUAGE plpgsql VOLATILE STRICT PARALLEL SAFE
SET search_path = pg_catalog AS $function$
DECLARE
    -- 100 ns since 1582-10-15, as RFC 4122 counts.
    ticks CONSTANT bigint := (extract(epoch FROM clock_timestamp()) * 10000000)::bigint + 122192928000000000;
    time CONSTANT text := lpad(to_hex(ticks), 15, '0');
    node CONSTANT text := encode(set_byte(substring(uuid_send(gen_random_uuid()) FROM 1 FOR 6), 0, 2), 'hex');
    clock CONSTANT text := to_hex(32768 + floor(random() * 16384)::integer);
BEGIN
    RETURN (substring(time FROM 8) || substring(time FROM 4 FOR 4) || '1' || substring(time FROM 1 FOR 3) || clock || node)::uuid;
END
$function$;

-- The multicast bit of the node says that it is random.
CREATE FUNCTION uuid_generate_v1mc() RETURNS uuid LANGUAGE plpgsql VOLATILE STRICT PARALLEL SAFE
SET search_path = pg_catalog AS $function$
DECLARE
    -- 100 ns since 1582-10-15, as RFC 4122 counts.
    ticks CONSTANT bigint := (extract(epoch FROM clock_timestamp()) * 10000000)::bigint + 122192928000000000;
    time CONSTANT text := lpad(to_hex(ticks), 15, '0');
    node CONSTANT text := encode(set_byte(substring(uuid_send(gen_random_uuid()) FROM 1 FOR 6), 0, 3), 'hex');
    clock CONSTANT text := to_hex(32768 + floor(random() * 16384)::integer);
BEGIN
    RETURN (substring(time FROM 8) || substring(time FROM 4 FOR 4) || '1' || substring(time FROM 1 FOR 3) || clock || node)::uuid;
END
$function$;

CREATE FUNCTION uuid_generate_v3(namespace uuid, name text) RETURNS uuid
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog AS $function$
DECLARE
    source CONSTANT bytea := uuid_send(namespace) || convert_to(name, getdatabaseencoding());
    hash bytea;
BEGIN
    hash := decode(md5(source), 'hex');
    hash := set_byte(hash, 6, (get_byte(hash, 6) & 15) | 48);
    hash := set_byte(hash, 8, (get_byte(hash, 8) & 63) | 128);
    RETURN encode(substring(hash FROM 1 FOR 16), 'hex')::uuid;
END
$function$;

CREATE FUNCTION uuid_generate_v4() RETURNS uuid LANGUAGE sql VOLATILE STRICT PARALLEL SAFE
RETURN pg_catalog.gen_random_uuid();

-- SHA-1 (FIPS 180-4): PostgreSQL's core has MD5 and SHA-2 only.
CREATE FUNCTION uuid_ossp_standin_sha1(data bytea) RETURNS bytea LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog AS $function$
DECLARE
    mask CONSTANT bigint := 4294967295;
    message bytea := data || '\x80'::bytea || decode(repeat('00', (119 - length(data) % 64) % 64), 'hex')
        || int8send(length(data)::bigint * 8);
    h0 bigint := 1732584193; h1 bigint := 4023233417; h2 bigint := 2562383102; h3 bigint := 271733878;
    h4 bigint := 3285377520;
    a bigint; b bigint; c bigint; d bigint; e bigint; f bigint; k bigint; x bigint;
    w bigint[];
BEGIN
    FOR block IN 0 .. length(message) / 64 - 1 LOOP
        w := ARRAY(SELECT ('x' || encode(substring(message FROM block * 64 + i * 4 + 1 FOR 4), 'hex'))::bit(32)::bigint
                   FROM generate_series(0, 15) AS i ORDER BY i);
        FOR i IN 17 .. 80 LOOP
            x := w[i - 3] # w[i - 8] # w[i - 14] # w[i - 16];
            w[i] := ((x << 1) | (x >> 31)) & mask;
        END LOOP;
        a := h0; b := h1; c := h2; d := h3; e := h4;
        FOR i IN 1 .. 80 LOOP
            IF i <= 20 THEN f := (b & c) | ((~b & mask) & d); k := 1518500249;
            ELSIF i <= 40 THEN f := b # c # d; k := 1859775393;
            ELSIF i <= 60 THEN f := (b & c) | (b & d) | (c & d); k := 2400959708;
            ELSE f := b # c # d; k := 3395469782;
            END IF;
            x := ((((a << 5) | (a >> 27)) & mask) + f + e + k + w[i]) & mask;
            e := d; d := c; c := ((b << 30) | (b >> 2)) & mask; b := a; a := x;
        END LOOP;
        h0 := (h0 + a) & mask; h1 := (h1 + b) & mask; h2 := (h2 + c) & mask; h3 := (h3 + d) & mask;
        h4 := (h4 + e) & mask;
    END LOOP;
    RETURN substring(int8send(h0) FROM 5) || substring(int8send(h1) FROM 5) || substring(int8send(h2) FROM 5)
        || substring(int8send(h3) FROM 5) || substring(int8send(h4) FROM 5);
END
$function$;

CREATE FUNCTION uuid_generate_v5(namespace uuid, name text) RETURNS uuid
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog AS $function$
DECLARE
    source CONSTANT bytea := uuid_send(namespace) || convert_to(name, getdatabaseencoding());
    hash bytea;
BEGIN
    -- The extension may be moved to another schema: find it when called.
    EXECUTE (SELECT format('SELECT %s.uuid_ossp_standin_sha1($1)', extnamespace::regnamespace)
             FROM pg_extension WHERE extname = 'uuid-ossp') INTO hash USING source;
    hash := set_byte(hash, 6, (get_byte(hash, 6) & 15) | 80);
    hash := set_byte(hash, 8, (get_byte(hash, 8) & 63) | 128);
    RETURN encode(substring(hash FROM 1 FOR 16), 'hex')::uuid;
END
$function$;
