-- How far the long work of sessions is: reported where other sessions see it before it commits (progress.c).

CREATE FUNCTION @extschema@.tw_report_progress(work text, item bigint, done bigint, total bigint) RETURNS void
    LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL RESTRICTED
    AS 'MODULE_PATHNAME', 'tw_report_progress';
REVOKE ALL ON FUNCTION @extschema@.tw_report_progress(text, bigint, bigint, bigint) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_report_progress(text, bigint, bigint, bigint) IS
    'Reports that this session has done so many of total (NULL: not known) of its work (training, import, export, '
    'erasure) on an item; a NULL work ends the report';

CREATE FUNCTION @extschema@.tw_work_in_progress(
    OUT pid integer, OUT work text, OUT item bigint, OUT done bigint, OUT total bigint, OUT started_at timestamptz)
    RETURNS SETOF record
    LANGUAGE c VOLATILE ROWS 5 PARALLEL RESTRICTED
    AS 'MODULE_PATHNAME', 'tw_work_in_progress';
REVOKE ALL ON FUNCTION @extschema@.tw_work_in_progress() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_work_in_progress() IS
    'The work that sessions of this database report with tw_report_progress(). Empty while track_activities is off';
