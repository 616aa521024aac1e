
-- What is new gets the install script's REVOKEs. What is not may have privileges that people granted: a REVOKE would
-- make them the extension's own.
DO $revoke$
DECLARE
    object text;
    object_id oid;
    class_id oid;
    acl aclitem[];
BEGIN
    FOREACH object IN ARRAY ARRAY[
@REVOKED@]
    LOOP
        IF object LIKE 'FUNCTION %' OR object LIKE 'PROCEDURE %' THEN
            class_id := 'pg_proc'::regclass;
            object_id := substr(object, strpos(object, ' ') + 1)::regprocedure;
            acl := (SELECT p.proacl FROM pg_proc p WHERE p.oid = object_id);
        ELSE
            class_id := 'pg_class'::regclass;
            object_id := substr(object, strpos(object, ' ') + 1)::regclass;
            acl := (SELECT c.relacl FROM pg_class c WHERE c.oid = object_id);
        END IF;
        IF (acl IS NULL OR EXISTS (SELECT FROM aclexplode(acl) x WHERE x.grantee = 0))
           AND NOT EXISTS (SELECT FROM pg_init_privs i WHERE i.classoid = class_id AND i.objoid = object_id
                                                         AND i.objsubid = 0) THEN
            EXECUTE format('REVOKE ALL ON %s FROM PUBLIC', object);
        END IF;
    END LOOP;
END
$revoke$;

-- Kinds of roles get what they have in this version, and lose what they no longer have.
DO $kinds$
DECLARE
    p record;
    g record;
BEGIN
    FOR p IN
        SELECT o.role, o.object_kind, o.object_id, o.privilege
                   || coalesce(' (' || quote_ident(o.column_name) || ')', '') AS what
        FROM jsonb_to_recordset(current_setting('tw_update.old_privileges')::jsonb)
            AS o (role oid, kind text, object_kind text, object_id oid, column_name text, privilege text)
        WHERE CASE o.object_kind WHEN 'TABLE' THEN EXISTS (SELECT FROM pg_class c WHERE c.oid = o.object_id)
                                 ELSE EXISTS (SELECT FROM pg_proc f WHERE f.oid = o.object_id) END
          AND NOT EXISTS (
              SELECT FROM jsonb_to_recordset(current_setting('tw_update.kinds')::jsonb) AS k (role oid, kind text)
              JOIN @extschema@.tw_role_privileges() n ON n.kind = k.kind
              WHERE k.role = o.role AND n.object_id = o.object_id AND n.privilege = o.privilege
                AND n.column_name IS NOT DISTINCT FROM o.column_name)
    LOOP
        PERFORM @extschema@.tw_execute_as_user(format('REVOKE %s ON %s %s FROM %I', p.what, p.object_kind,
            CASE p.object_kind WHEN 'TABLE' THEN p.object_id::regclass::text ELSE p.object_id::regprocedure::text END,
            pg_get_userbyid(p.role)));
    END LOOP;
    FOR g IN SELECT * FROM jsonb_to_recordset(current_setting('tw_update.kinds')::jsonb) AS k (role oid, kind text) LOOP
        PERFORM @extschema@.tw_execute_as_user(format('SELECT @extschema@.grant_training_role(%L, %L)',
                                                      pg_get_userbyid(g.role), g.kind));
    END LOOP;
END
$kinds$;

-- What people granted beside that on objects that were dropped and made again.
DO $grants$
DECLARE
    g record;
    object_id oid;
    what text;
BEGIN
    FOR g IN
        SELECT o.*, CASE WHEN o.role = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(o.role)) END AS grantee
        FROM jsonb_to_recordset(current_setting('tw_update.grants')::jsonb)
            AS o (object_kind text, object_id oid, object_name text, column_name text, role oid, privilege text,
                  is_grantable boolean)
        WHERE CASE o.object_kind WHEN 'ROUTINE' THEN NOT EXISTS (SELECT FROM pg_proc f WHERE f.oid = o.object_id)
                                 ELSE NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = o.object_id) END
    LOOP
        what := g.privilege || coalesce(' (' || quote_ident(g.column_name) || ')', '');
        IF g.object_kind = 'ROUTINE' THEN
            -- The same function, or the only one of its name.
            object_id := coalesce(to_regprocedure(g.object_name)::oid, to_regproc(split_part(g.object_name, '(', 1)));
        ELSE
            object_id := to_regclass(g.object_name);
        END IF;
        IF object_id IS NULL THEN
            RAISE WARNING USING
                MESSAGE = format('%s, on which %s had %s, is not there any more', g.object_name, g.grantee, what);
        ELSE
            PERFORM @extschema@.tw_execute_as_user(format('GRANT %s ON %s %s TO %s%s', what, g.object_kind,
                CASE g.object_kind WHEN 'ROUTINE' THEN object_id::regprocedure::text ELSE object_id::regclass::text END,
                g.grantee, CASE WHEN g.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END));
        END IF;
    END LOOP;
END
$grants$;

DROP FUNCTION @extschema@.tw_execute_as_user(text);
