-- approve_sample(), fix_sample() and reject_sample(), each for one sample and for many.

CREATE FUNCTION @extschema@.approve_sample(id bigint, note text DEFAULT NULL, reviewer text DEFAULT NULL) RETURNS bigint
    LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
RETURN @extschema@.tw_record_sample_verdict(ARRAY[id], 'approve'::text, NULL::text, NULL::jsonb, NULL::text, note,
    reviewer, NULL::jsonb);
REVOKE ALL ON FUNCTION @extschema@.approve_sample(bigint, text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.approve_sample(bigint, text, text) IS
    'Approves the label of the sample id: it is live, with the label as a person''s. Other samples without a '
    'conversation that say something else of the same text are rejected, and conversations that agree need no review '
    'any more. Where the sample has a conversation, the verdict is on that: a fix, if a person gave it another label '
    'than the model predicted. A verdict can be changed; the newest stands. note is kept with it (NULL: none). '
    'reviewer names the person behind a shared role, for operators only (NULL: the calling role). Returns 1. Raises '
    'P0002 for an unknown id, 22004 for a NULL one; 55000 where the text is blank or too long, there is no label, or '
    'it was changed after the reviewer claimed it or by a session that this call waited for; 55006 while another '
    'reviewer holds a claim (except for operators); 42501 if a caller who is not an operator names a reviewer, 22023 '
    'for a blank one; and what approve_conversation() raises';

CREATE FUNCTION @extschema@.approve_samples(
    ids bigint[], note text DEFAULT NULL, reviewer text DEFAULT NULL) RETURNS bigint
    LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
RETURN @extschema@.tw_record_sample_verdict(ids, 'approve'::text, NULL::text, NULL::jsonb, NULL::text, note, reviewer,
    NULL::jsonb);
REVOKE ALL ON FUNCTION @extschema@.approve_samples(bigint[], text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.approve_samples(bigint[], text, text) IS
    'Approves the labels of the samples ids, all or none. note, reviewer and what follows: as in approve_sample(). '
    'Returns how many samples. Raises what approve_sample() raises: P0002, 22004, 22023, 42501, 55000, 55006; and '
    '22023 where two of them have the same text and different labels';

CREATE FUNCTION @extschema@.fix_sample(
    id bigint, intent text, entities jsonb DEFAULT NULL, note text DEFAULT NULL, reviewer text DEFAULT NULL)
    RETURNS bigint
    LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
RETURN @extschema@.tw_record_sample_verdict(ARRAY[id], 'fix'::text, intent, entities, NULL::text, note, reviewer,
    NULL::jsonb);
REVOKE ALL ON FUNCTION @extschema@.fix_sample(bigint, text, jsonb, text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.fix_sample(bigint, text, jsonb, text, text) IS
    'Gives the sample id the right intent and entities (a JSON object or array; NULL keeps those it has): it is live, '
    'with the label as a person''s, and new to models that learned another. Other samples of the same text, note and '
    'reviewer: as in approve_sample(). Where the sample has a conversation, this is fix_conversation(). A verdict can '
    'be changed; the newest stands. Returns 1. Raises 22023 for a blank intent, for entities that are neither object '
    'nor array, and where either is longer than max_message_bytes; and what approve_sample() raises: P0002, 22004, '
    '42501, 55000, 55006';

CREATE FUNCTION @extschema@.fix_samples(
    ids bigint[], intent text, entities jsonb DEFAULT NULL, note text DEFAULT NULL, reviewer text DEFAULT NULL)
    RETURNS bigint
    LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
RETURN @extschema@.tw_record_sample_verdict(ids, 'fix'::text, intent, entities, NULL::text, note, reviewer,
    NULL::jsonb);
REVOKE ALL ON FUNCTION @extschema@.fix_samples(bigint[], text, jsonb, text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.fix_samples(bigint[], text, jsonb, text, text) IS
    'Gives the samples ids, all or none, the right intent and entities (a JSON object or array; NULL keeps those they '
    'have). Other samples of the same texts, note and reviewer: as in approve_sample(). Returns how many samples. '
    'Raises what fix_sample() raises: P0002, 22004, 22023, 42501, 55000, 55006';

CREATE FUNCTION @extschema@.reject_sample(
    id bigint, reason text, note text DEFAULT NULL, reviewer text DEFAULT NULL) RETURNS bigint
    LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
RETURN @extschema@.tw_record_sample_verdict(ARRAY[id], 'reject'::text, NULL::text, NULL::jsonb, reason, note, reviewer,
    NULL::jsonb);
REVOKE ALL ON FUNCTION @extschema@.reject_sample(bigint, text, text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.reject_sample(bigint, text, text, text) IS
    'Rejects the sample id with a reason, unclear or no-such-intent: no model learns from it. Where it has a '
    'conversation, this is reject_conversation(). A verdict can be changed; the newest stands. note and reviewer: as '
    'in approve_sample(). Returns 1. Raises 22023 for another reason and a blank reviewer, P0002 for an unknown id, '
    '22004 for a NULL one, 55006 while another reviewer holds a claim (except for operators), 42501 if a caller who '
    'is not an operator names a reviewer; and what reject_conversation() raises';

CREATE FUNCTION @extschema@.reject_samples(
    ids bigint[], reason text, note text DEFAULT NULL, reviewer text DEFAULT NULL) RETURNS bigint
    LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
RETURN @extschema@.tw_record_sample_verdict(ids, 'reject'::text, NULL::text, NULL::jsonb, reason, note, reviewer,
    NULL::jsonb);
REVOKE ALL ON FUNCTION @extschema@.reject_samples(bigint[], text, text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.reject_samples(bigint[], text, text, text) IS
    'Rejects the samples ids, all or none, with a reason, unclear or no-such-intent. note and reviewer: as in '
    'approve_sample(). Returns how many samples. Raises what reject_sample() raises: P0002, 22004, 22023, 42501, '
    '55000, 55006';
