-- second_opinions: audited conversations that are judged by more than one person. src/review/second_opinions.sql
-- gives the rules.

CREATE TABLE @extschema@.second_opinions (
    conversation_log_id bigint NOT NULL,
    status text NOT NULL DEFAULT 'asked',
    rate double precision NOT NULL,
    asked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    waiting_since timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- The queue entry that the first reviewer was shown; it is shown to the others too.
    review_priority smallint,
    review_reason text,
    first_event bigint NOT NULL,
    first_reviewer text NOT NULL,
    first_label text NOT NULL,
    second_event bigint,
    second_reviewer text,
    second_label text,
    agrees boolean,
    third_event bigint,
    third_reviewer text,
    third_label text,
    settled_at timestamptz,
    CONSTRAINT second_opinions_pkey PRIMARY KEY (conversation_log_id),
    CONSTRAINT second_opinions_status_check CHECK (
        status IN ('asked', 'disputed', 'unsettled', 'agreed', 'settled', 'superseded', 'withdrawn')),
    CONSTRAINT second_opinions_rate_check CHECK (rate > 0 AND rate <= 1),
    CONSTRAINT second_opinions_second_check CHECK (
        num_nulls(second_event, second_reviewer, second_label, agrees) IN (0, 4)
        AND (second_event IS NOT NULL OR status IN ('asked', 'superseded', 'withdrawn'))
        AND second_reviewer <> first_reviewer),
    CONSTRAINT second_opinions_third_check CHECK (
        num_nulls(third_event, third_reviewer, third_label) IN (0, 3)
        AND (third_event IS NULL OR second_event IS NOT NULL)
        AND third_reviewer <> first_reviewer AND third_reviewer <> second_reviewer),
    CONSTRAINT second_opinions_settled_check CHECK (
        (settled_at IS NULL) = (status IN ('asked', 'disputed', 'unsettled')))
);
REVOKE ALL ON TABLE @extschema@.second_opinions FROM PUBLIC;
SELECT pg_extension_config_dump('@extschema@.second_opinions', '');

-- Those that wait: few of many rows.
CREATE INDEX second_opinions_waiting_idx ON @extschema@.second_opinions (waiting_since)
    WHERE settled_at IS NULL;

COMMENT ON TABLE @extschema@.second_opinions IS
    'Audited conversations drawn for a second opinion (setting second_opinion_rate): who judged them, what each said, '
    'and whether they agree';
COMMENT ON COLUMN @extschema@.second_opinions.conversation_log_id IS 'The conversation';
COMMENT ON COLUMN @extschema@.second_opinions.status IS
    'asked: waits for a second person; disputed: the first two differ, and a third person is asked; unsettled: no '
    'label has a majority, and the conversation waits in the queue (reason opinions differ); agreed: the first two '
    'agree; settled: the majority''s label stands; superseded: a verdict of another kind came first, for example after '
    'a user''s correction; withdrawn: the verdict was withdrawn';
COMMENT ON COLUMN @extschema@.second_opinions.rate IS 'Probability with which it was drawn, above 0, at most 1';
COMMENT ON COLUMN @extschema@.second_opinions.asked_at IS 'When it was drawn, with the first verdict';
COMMENT ON COLUMN @extschema@.second_opinions.waiting_since IS
    'When the next opinion was asked for: the second, or the third';
COMMENT ON COLUMN @extschema@.second_opinions.review_priority IS
    'review_priority before the first verdict; NULL = it was not in the queue';
COMMENT ON COLUMN @extschema@.second_opinions.review_reason IS
    'review_reason before the first verdict; NULL = it was not in the queue';
COMMENT ON COLUMN @extschema@.second_opinions.first_event IS
    'The first person''s verdict (review_events.id), the newest before the second opinion';
COMMENT ON COLUMN @extschema@.second_opinions.first_reviewer IS 'Who gave it';
COMMENT ON COLUMN @extschema@.second_opinions.first_label IS
    'What it said: the intent, or (unclear) or (no-such-intent)';
COMMENT ON COLUMN @extschema@.second_opinions.second_event IS
    'The second opinion (review_events.id); NULL = not given';
COMMENT ON COLUMN @extschema@.second_opinions.second_reviewer IS 'Who gave it; NULL = not given';
COMMENT ON COLUMN @extschema@.second_opinions.second_label IS 'What it said, like first_label; NULL = not given';
COMMENT ON COLUMN @extschema@.second_opinions.agrees IS
    'Whether the second label was the first one; NULL = no second opinion. Later changes of either leave it as it is';
COMMENT ON COLUMN @extschema@.second_opinions.third_event IS
    'The first verdict or opinion of a third person (review_events.id); NULL = none';
COMMENT ON COLUMN @extschema@.second_opinions.third_reviewer IS 'Who gave it; NULL = none';
COMMENT ON COLUMN @extschema@.second_opinions.third_label IS 'What it said, like first_label; NULL = none';
COMMENT ON COLUMN @extschema@.second_opinions.settled_at IS
    'When it ended: agreed, settled, superseded or withdrawn; NULL = it waits';
