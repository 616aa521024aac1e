# Catalog.pm - all that the catalogs say of the extension, as lines to be compared.

package TW::Catalog;

use strict;
use warnings;

use Exporter 'import';

our @EXPORT = qw(catalog_of);

# Sorted lines. OIDs are not in them, nor what is not the extension's.
sub catalog_of {
    my ($node, $database) = @_;
    return [ split /\n/, $node->safe_psql($database, _query()) ];
}

sub _query {
    return <<'SQL';
        SET search_path = pg_catalog;
        WITH member AS MATERIALIZED (
            SELECT d.classid, d.objid FROM pg_depend d
            JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid
            WHERE d.deptype = 'e' AND e.extname = 'training_workflow'
        ), relation AS MATERIALIZED (
            SELECT c.* FROM member m JOIN pg_class c ON c.oid = m.objid AND m.classid = 'pg_class'::regclass
        ), routine AS MATERIALIZED (
            SELECT p.* FROM member m JOIN pg_proc p ON p.oid = m.objid AND m.classid = 'pg_proc'::regclass
        ), line (what) AS (
            SELECT concat_ws(' ', 'object', i.type, i.identity) FROM member m, pg_identify_object(m.classid,
            m.objid, 0) i
            UNION ALL
            SELECT concat_ws(' ', 'relation', c.oid::regclass, c.relkind, c.relpersistence, c.relreplident,
            c.relrowsecurity,
                c.reloptions::text, (SELECT a.amname FROM pg_am a WHERE a.oid = c.relam),
            pg_get_userbyid(c.relowner)) FROM relation c
            UNION ALL
            SELECT concat_ws(' ', 'view', c.oid::regclass,
            pg_get_viewdef(c.oid)) FROM relation c WHERE c.relkind = 'v'
            UNION ALL
            SELECT concat_ws(' ', 'sequence', c.oid::regclass, s.seqtypid::regtype, s.seqstart, s.seqincrement,
            s.seqmin,
                s.seqmax, s.seqcache, s.seqcycle) FROM relation c JOIN pg_sequence s ON s.seqrelid = c.oid
            UNION ALL
            SELECT concat_ws(' ', 'column', c.oid::regclass, a.attname, format_type(a.atttypid, a.atttypmod),
            a.attnotnull,
                a.attidentity, a.attgenerated, a.attstorage, a.attcompression, a.attstattarget,
            a.attcollation::regcollation, pg_get_expr(d.adbin, d.adrelid))
            FROM relation c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
            LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
            UNION ALL
            SELECT concat_ws(' ', 'order', c.oid::regclass, string_agg(a.attname, ',' ORDER BY a.attnum))
            FROM relation c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
            AND NOT a.attisdropped GROUP BY c.oid
            UNION ALL
            SELECT concat_ws(' ', 'constraint', n.conrelid::regclass, n.conname, n.contype, n.condeferrable,
            n.convalidated,
                n.connoinherit, pg_get_constraintdef(n.oid))
            FROM relation c JOIN pg_constraint n ON n.conrelid = c.oid
            UNION ALL
            SELECT concat_ws(' ', 'index', pg_get_indexdef(i.indexrelid), i.indisvalid, i.indisclustered,
            i.indisreplident, x.reloptions::text)
            FROM relation c JOIN pg_index i ON i.indrelid = c.oid JOIN pg_class x ON x.oid = i.indexrelid
            UNION ALL
            SELECT concat_ws(' ', 'trigger', t.tgrelid::regclass, t.tgenabled, pg_get_triggerdef(t.oid))
            FROM relation c JOIN pg_trigger t ON t.tgrelid = c.oid WHERE NOT t.tgisinternal
            UNION ALL
            SELECT concat_ws(' ', 'rule', r.ev_class::regclass, r.rulename,
            r.ev_enabled) FROM relation c JOIN pg_rewrite r ON r.ev_class = c.oid
            UNION ALL
            SELECT concat_ws(' ', 'policy', p.polrelid::regclass,
            p.polname) FROM relation c JOIN pg_policy p ON p.polrelid = c.oid
            UNION ALL
            SELECT concat_ws(' ', 'statistics',
            pg_get_statisticsobjdef(s.oid)) FROM relation c JOIN pg_statistic_ext s ON s.stxrelid = c.oid
            UNION ALL
            SELECT concat_ws(' ', 'routine', p.oid::regprocedure, p.prokind, pg_get_functiondef(p.oid),
            pg_get_userbyid(p.proowner), p.probin)
            FROM routine p WHERE p.prokind <> 'a'
            UNION ALL
            SELECT concat_ws(' ', 'aggregate', p.oid::regprocedure,
            g.*::text) FROM routine p JOIN pg_aggregate g ON g.aggfnoid = p.oid
            UNION ALL
            SELECT concat_ws(' ', 'privilege', i.what,
            CASE WHEN x.grantee = 0 THEN 'PUBLIC' ELSE pg_get_userbyid(x.grantee) END,
                x.privilege_type, x.is_grantable, pg_get_userbyid(x.grantor))
            FROM (SELECT c.oid::regclass::text,
                  coalesce(c.relacl, acldefault(CASE c.relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", c.relowner)), 'r'
                  FROM relation c
                  UNION ALL
                  SELECT c.oid::regclass || '.' || a.attname, a.attacl, 'c'
                  FROM relation c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
                  UNION ALL
                  SELECT p.oid::regprocedure::text, coalesce(p.proacl, acldefault('f', p.proowner)),
            'f' FROM routine p
                  UNION ALL
                  SELECT f.fdwname, f.fdwacl,
            'w' FROM member m JOIN pg_foreign_data_wrapper f ON f.oid = m.objid
            AND m.classid = 'pg_foreign_data_wrapper'::regclass
                  UNION ALL
                  SELECT t.typname, t.typacl, 't' FROM member m JOIN pg_type t ON t.oid = m.objid
            AND m.classid = 'pg_type'::regclass
                 ) i (what, acl, kind), aclexplode(i.acl) x
            UNION ALL
            SELECT concat_ws(' ', 'initial privilege', i.type, i.identity, p.privtype,
            (SELECT string_agg(a::text, ',' ORDER BY a::text) FROM unnest(p.initprivs) a))
            FROM pg_init_privs p JOIN member m ON (m.classid, m.objid) = (p.classoid, p.objoid),
            pg_identify_object(p.classoid, p.objoid, p.objsubid) i
            UNION ALL
            SELECT concat_ws(' ', 'comment', i.type, i.identity, d.description)
            FROM pg_description d JOIN member m ON (m.classid, m.objid) = (d.classoid, d.objoid),
            pg_identify_object(d.classoid, d.objoid, d.objsubid) i
            UNION ALL
            SELECT concat_ws(' ', 'comment', i.type, i.identity, d.description)
            FROM pg_description d, pg_identify_object(d.classoid, d.objoid, d.objsubid) i
            WHERE (d.classoid = 'pg_constraint'::regclass
            AND d.objoid IN (SELECT n.oid FROM pg_constraint n JOIN relation c ON c.oid = n.conrelid))
               OR (d.classoid = 'pg_trigger'::regclass
            AND d.objoid IN (SELECT n.oid FROM pg_trigger n JOIN relation c ON c.oid = n.tgrelid))
               OR (d.classoid = 'pg_class'::regclass
            AND d.objoid IN (SELECT n.indexrelid FROM pg_index n JOIN relation c ON c.oid = n.indrelid))
            UNION ALL
            SELECT concat_ws(' ', 'event trigger', t.evtname, t.evtevent, t.evtenabled, t.evttags::text,
            t.evtfoid::regprocedure)
            FROM member m JOIN pg_event_trigger t ON t.oid = m.objid AND m.classid = 'pg_event_trigger'::regclass
            UNION ALL
            SELECT concat_ws(' ', 'wrapper', f.fdwname, f.fdwhandler::regproc, f.fdwvalidator::regproc,
            f.fdwoptions::text)
            FROM member m JOIN pg_foreign_data_wrapper f ON f.oid = m.objid
            AND m.classid = 'pg_foreign_data_wrapper'::regclass
            UNION ALL
            SELECT concat_ws(' ', 'dump', x.relation::regclass, quote_literal(x.condition))
            FROM pg_extension e, unnest(e.extconfig, e.extcondition) x (relation,
            condition) WHERE e.extname = 'training_workflow'
            UNION ALL
            SELECT concat_ws(' ', 'extension', e.extversion, e.extnamespace::regnamespace, e.extrelocatable,
            pg_get_userbyid(e.extowner), c.description)
            FROM pg_extension e LEFT JOIN pg_description c ON c.objoid = e.oid
            AND c.classoid = 'pg_extension'::regclass
            WHERE e.extname = 'training_workflow'
        )
        SELECT replace(what, E'\n', E'\\n') FROM line ORDER BY what COLLATE "C";
SQL
}

1;
