-- A stand-in for PostgreSQL's pgcrypto, in SQL: the same functions with the same signatures. Made for db-migrate's
-- scratch servers, where the real one is not built in. digest, hmac and the
-- random functions give real results; what encrypts, or hashes passwords, raises feature_not_supported when called.

-- SHA-1 (FIPS 180-4): PostgreSQL's core has MD5 and SHA-2 only.
CREATE FUNCTION pgcrypto_standin_sha1(data bytea) RETURNS bytea LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
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

CREATE FUNCTION digest(bytea, text) RETURNS bytea LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog AS $function$
DECLARE
    hash bytea;
BEGIN
    CASE lower($2)
        WHEN 'md5' THEN RETURN decode(md5($1), 'hex');
        WHEN 'sha224' THEN RETURN sha224($1);
        WHEN 'sha256' THEN RETURN sha256($1);
        WHEN 'sha384' THEN RETURN sha384($1);
        WHEN 'sha512' THEN RETURN sha512($1);
        WHEN 'sha1' THEN
            -- The extension may be moved to another schema: find it when called.
            EXECUTE (SELECT format('SELECT %s.pgcrypto_standin_sha1($1)', extnamespace::regnamespace)
                     FROM pg_extension WHERE extname = 'pgcrypto') INTO hash USING $1;
            RETURN hash;
        ELSE RAISE invalid_parameter_value USING MESSAGE = format('Cannot use "%s": No such hash algorithm', $2);
    END CASE;
END
$function$;

CREATE FUNCTION digest(text, text) RETURNS bytea LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog AS $function$
DECLARE
    hash bytea;
BEGIN
    EXECUTE (SELECT format('SELECT %s.digest($1, $2)', extnamespace::regnamespace)
             FROM pg_extension WHERE extname = 'pgcrypto') INTO hash USING convert_to($1, getdatabaseencoding()), $2;
    RETURN hash;
END
$function$;

CREATE FUNCTION hmac(bytea, bytea, text) RETURNS bytea LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog AS $function$
DECLARE
    size CONSTANT integer := CASE WHEN lower($3) IN ('sha384', 'sha512') THEN 128 ELSE 64 END;
    digest CONSTANT text := (SELECT format('SELECT %s.digest($1, $2)', extnamespace::regnamespace)
                             FROM pg_extension WHERE extname = 'pgcrypto');
    key bytea := $2;
    inner_pad bytea;
    outer_pad bytea;
    hash bytea;
BEGIN
    IF length(key) > size THEN
        EXECUTE digest INTO key USING key, $3;
    END IF;
    key := key || decode(repeat('00', size - length(key)), 'hex');
    inner_pad := key;
    outer_pad := key;
    FOR i IN 0 .. size - 1 LOOP
        inner_pad := set_byte(inner_pad, i, get_byte(key, i) # 54);
        outer_pad := set_byte(outer_pad, i, get_byte(key, i) # 92);
    END LOOP;
    EXECUTE digest INTO hash USING inner_pad || $1, $3;
    EXECUTE digest INTO hash USING outer_pad || hash, $3;
    RETURN hash;
END
$function$;

CREATE FUNCTION hmac(text, text, text) RETURNS bytea LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog AS $function$
DECLARE
    hash bytea;
BEGIN
    EXECUTE (SELECT format('SELECT %s.hmac($1, $2, $3)', extnamespace::regnamespace)
             FROM pg_extension WHERE extname = 'pgcrypto')
        INTO hash USING convert_to($1, getdatabaseencoding()), convert_to($2, getdatabaseencoding()), $3;
    RETURN hash;
END
$function$;

CREATE FUNCTION gen_random_bytes(integer) RETURNS bytea LANGUAGE plpgsql VOLATILE STRICT PARALLEL SAFE
SET search_path = pg_catalog AS $function$
BEGIN
    IF $1 NOT BETWEEN 1 AND 1024 THEN
        RAISE external_routine_invocation_exception USING MESSAGE = 'Length not in range';
    END IF;
    RETURN (SELECT substring(string_agg(sha256(uuid_send(gen_random_uuid())), ''::bytea) FROM 1 FOR $1)
            FROM generate_series(0, $1 / 32));
END
$function$;

CREATE FUNCTION gen_random_uuid() RETURNS uuid LANGUAGE sql VOLATILE PARALLEL SAFE
RETURN pg_catalog.gen_random_uuid();

CREATE FUNCTION crypt(text, text) RETURNS text LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $function$
BEGIN
    RAISE feature_not_supported USING MESSAGE = 'crypt() is not in the stand-in for pgcrypto on this scratch server';
END
$function$;

CREATE FUNCTION gen_salt(text) RETURNS text LANGUAGE plpgsql VOLATILE STRICT PARALLEL SAFE AS $function$
BEGIN
    RAISE feature_not_supported USING MESSAGE = 'gen_salt() is not in the stand-in for pgcrypto on this scratch server';
END
$function$;

CREATE FUNCTION gen_salt(text, integer) RETURNS text LANGUAGE plpgsql VOLATILE STRICT PARALLEL SAFE AS $function$
BEGIN
    RAISE feature_not_supported USING MESSAGE = 'gen_salt() is not in the stand-in for pgcrypto on this scratch server';
END
$function$;

CREATE FUNCTION encrypt(bytea, bytea, text) RETURNS bytea LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $function$
BEGIN
    RAISE feature_not_supported USING MESSAGE = 'encrypt() is not in the stand-in for pgcrypto on this scratch server';
END
$function$;

CREATE FUNCTION decrypt(bytea, bytea, text) RETURNS bytea LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $function$
BEGIN
    RAISE feature_not_supported USING MESSAGE = 'decrypt() is not in the stand-in for pgcrypto on this scratch server';
END
$function$;

CREATE FUNCTION encrypt_iv(bytea, bytea, bytea, text) RETURNS bytea LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $function$
BEGIN
    RAISE feature_not_supported USING MESSAGE = 'encrypt_iv() is not in the stand-in for pgcrypto on this scratch server';
END
$function$;

CREATE FUNCTION decrypt_iv(bytea, bytea, bytea, text) RETURNS bytea LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $function$
BEGIN
    RAISE feature_not_supported USING MESSAGE = 'decrypt_iv() is not in the stand-in for pgcrypto on this scratch server';
END
$function$;

CREATE FUNCTION pgp_sym_encrypt(text, text) RETURNS bytea LANGUAGE plpgsql VOLATILE STRICT PARALLEL SAFE AS $function$
BEGIN
    RAISE feature_not_supported USING MESSAGE = 'pgp_sym_encrypt() is not in the stand-in for pgcrypto on this scratch server';
END
$function$;

CREATE FUNCTION pgp_sym_encrypt_bytea(bytea, text) RETURNS bytea LANGUAGE plpgsql VOLATILE STRICT PARALLEL SAFE AS $function$
BEGIN
    RAISE feature_not_supported USING MESSAGE = 'pgp_sym_encrypt_bytea() is not in the stand-in for pgcrypto on this scratch server';
END
$function$;

CREATE FUNCTION pgp_sym_encrypt(text, text, text) RETURNS bytea LANGUAGE plpgsql VOLATILE STRICT PARALLEL SAFE AS $function$
BEGIN
    RAISE feature_not_supported USING MESSAGE = 'pgp_sym_encrypt() is not in the stand-in for pgcrypto on this scratch server';
END
$function$;

CREATE FUNCTION pgp_sym_encrypt_bytea(bytea, text, text) RETURNS bytea LANGUAGE plpgsql VOLATILE STRICT PARALLEL SAFE AS $function$
BEGIN
    RAISE feature_not_supported USING MESSAGE = 'pgp_sym_encrypt_bytea() is not in the stand-in for pgcrypto on this scratch server';
END
$function$;

CREATE FUNCTION pgp_sym_decrypt(bytea, text) RETURNS text LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $function$
BEGIN
    RAISE feature_not_supported USING MESSAGE = 'pgp_sym_decrypt() is not in the stand-in for pgcrypto on this scratch server';
END
$function$;

CREATE FUNCTION pgp_sym_decrypt_bytea(bytea, text) RETURNS bytea LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $function$
BEGIN
    RAISE feature_not_supported USING MESSAGE = 'pgp_sym_decrypt_bytea() is not in the stand-in for pgcrypto on this scratch server';
END
$function$;

CREATE FUNCTION pgp_sym_decrypt(bytea, text, text) RETURNS text LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $function$
BEGIN
    RAISE feature_not_supported USING MESSAGE = 'pgp_sym_decrypt() is not in the stand-in for pgcrypto on this scratch server';
END
$function$;

CREATE FUNCTION pgp_sym_decrypt_bytea(bytea, text, text) RETURNS bytea LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $function$
BEGIN
    RAISE feature_not_supported USING MESSAGE = 'pgp_sym_decrypt_bytea() is not in the stand-in for pgcrypto on this scratch server';
END
$function$;

CREATE FUNCTION pgp_pub_encrypt(text, bytea) RETURNS bytea LANGUAGE plpgsql VOLATILE STRICT PARALLEL SAFE AS $function$
BEGIN
    RAISE feature_not_supported USING MESSAGE = 'pgp_pub_encrypt() is not in the stand-in for pgcrypto on this scratch server';
END
$function$;

CREATE FUNCTION pgp_pub_encrypt_bytea(bytea, bytea) RETURNS bytea LANGUAGE plpgsql VOLATILE STRICT PARALLEL SAFE AS $function$
BEGIN
    RAISE feature_not_supported USING MESSAGE = 'pgp_pub_encrypt_bytea() is not in the stand-in for pgcrypto on this scratch server';
END
$function$;

CREATE FUNCTION pgp_pub_encrypt(text, bytea, text) RETURNS bytea LANGUAGE plpgsql VOLATILE STRICT PARALLEL SAFE AS $function$
BEGIN
    RAISE feature_not_supported USING MESSAGE = 'pgp_pub_encrypt() is not in the stand-in for pgcrypto on this scratch server';
END
$function$;

CREATE FUNCTION pgp_pub_encrypt_bytea(bytea, bytea, text) RETURNS bytea LANGUAGE plpgsql VOLATILE STRICT PARALLEL SAFE AS $function$
BEGIN
    RAISE feature_not_supported USING MESSAGE = 'pgp_pub_encrypt_bytea() is not in the stand-in for pgcrypto on this scratch server';
END
$function$;

CREATE FUNCTION pgp_pub_decrypt(bytea, bytea) RETURNS text LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $function$
BEGIN
    RAISE feature_not_supported USING MESSAGE = 'pgp_pub_decrypt() is not in the stand-in for pgcrypto on this scratch server';
END
$function$;

CREATE FUNCTION pgp_pub_decrypt_bytea(bytea, bytea) RETURNS bytea LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $function$
BEGIN
    RAISE feature_not_supported USING MESSAGE = 'pgp_pub_decrypt_bytea() is not in the stand-in for pgcrypto on this scratch server';
END
$function$;

CREATE FUNCTION pgp_pub_decrypt(bytea, bytea, text) RETURNS text LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $function$
BEGIN
    RAISE feature_not_supported USING MESSAGE = 'pgp_pub_decrypt() is not in the stand-in for pgcrypto on this scratch server';
END
$function$;

CREATE FUNCTION pgp_pub_decrypt_bytea(bytea, bytea, text) RETURNS bytea LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $function$
BEGIN
    RAISE feature_not_supported USING MESSAGE = 'pgp_pub_decrypt_bytea() is not in the stand-in for pgcrypto on this scratch server';
END
$function$;

CREATE FUNCTION pgp_pub_decrypt(bytea, bytea, text, text) RETURNS text LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $function$
BEGIN
    RAISE feature_not_supported USING MESSAGE = 'pgp_pub_decrypt() is not in the stand-in for pgcrypto on this scratch server';
END
$function$;

CREATE FUNCTION pgp_pub_decrypt_bytea(bytea, bytea, text, text) RETURNS bytea LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $function$
BEGIN
    RAISE feature_not_supported USING MESSAGE = 'pgp_pub_decrypt_bytea() is not in the stand-in for pgcrypto on this scratch server';
END
$function$;

CREATE FUNCTION pgp_key_id(bytea) RETURNS text LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $function$
BEGIN
    RAISE feature_not_supported USING MESSAGE = 'pgp_key_id() is not in the stand-in for pgcrypto on this scratch server';
END
$function$;

CREATE FUNCTION armor(bytea) RETURNS text LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $function$
BEGIN
    RAISE feature_not_supported USING MESSAGE = 'armor() is not in the stand-in for pgcrypto on this scratch server';
END
$function$;

CREATE FUNCTION armor(bytea, text[], text[]) RETURNS text LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $function$
BEGIN
    RAISE feature_not_supported USING MESSAGE = 'armor() is not in the stand-in for pgcrypto on this scratch server';
END
$function$;

CREATE FUNCTION dearmor(text) RETURNS bytea LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $function$
BEGIN
    RAISE feature_not_supported USING MESSAGE = 'dearmor() is not in the stand-in for pgcrypto on this scratch server';
END
$function$;

CREATE FUNCTION pgp_armor_headers(text, key OUT text, value OUT text) RETURNS SETOF record LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $function$
BEGIN
    RAISE feature_not_supported USING MESSAGE = 'pgp_armor_headers() is not in the stand-in for pgcrypto on this scratch server';
END
$function$;
