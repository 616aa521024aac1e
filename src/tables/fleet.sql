-- What the databases of a fleet tell each other beside the conversations and the hub's decisions. All of it travels by
-- the same two streams of logical replication, so that it says how far they are.

-- One row, the hub's. Each node answers it with its row in fleet_replies.
CREATE TABLE @extschema@.fleet_heartbeats (
    hub integer NOT NULL DEFAULT 0,
    number bigint NOT NULL DEFAULT 1,
    sent_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT fleet_heartbeats_pkey PRIMARY KEY (hub),
    CONSTRAINT fleet_heartbeats_one_check CHECK (hub = 0)
);
REVOKE ALL ON TABLE @extschema@.fleet_heartbeats FROM PUBLIC;
SELECT pg_extension_config_dump('@extschema@.fleet_heartbeats', '');
COMMENT ON TABLE @extschema@.fleet_heartbeats IS
    'The hub''s heartbeat, one row that sweep_fleet() updates; the nodes answer it in fleet_replies';
COMMENT ON COLUMN @extschema@.fleet_heartbeats.hub IS '0, the number of the hub';
COMMENT ON COLUMN @extschema@.fleet_heartbeats.number IS 'How many there have been';
COMMENT ON COLUMN @extschema@.fleet_heartbeats.sent_at IS 'When it was sent, by the hub''s clock';

CREATE TABLE @extschema@.fleet_replies (
    node integer NOT NULL,
    number bigint NOT NULL DEFAULT 1,
    heartbeat_at timestamptz,
    replied_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    versions jsonb NOT NULL,
    received_at timestamptz,
    missing_from timestamptz,
    missing_to timestamptz,
    CONSTRAINT fleet_replies_pkey PRIMARY KEY (node),
    CONSTRAINT fleet_replies_node_check CHECK (node BETWEEN 1 AND 1023)
);
REVOKE ALL ON TABLE @extschema@.fleet_replies FROM PUBLIC;
SELECT pg_extension_config_dump('@extschema@.fleet_replies', '');
COMMENT ON TABLE @extschema@.fleet_replies IS
    'What each node said last: on a node its own row, at the hub one for each node. fleet_status reads it';
COMMENT ON COLUMN @extschema@.fleet_replies.node IS 'Number of the node';
COMMENT ON COLUMN @extschema@.fleet_replies.number IS
    'How many replies the node has made. The hub gets each of them, in order: a gap means that it has not got what '
    'came between';
COMMENT ON COLUMN @extschema@.fleet_replies.heartbeat_at IS
    'sent_at of the heartbeat that arrived last, by the hub''s clock; NULL = none has arrived';
COMMENT ON COLUMN @extschema@.fleet_replies.replied_at IS
    'When the node answered that heartbeat, by the node''s clock';
COMMENT ON COLUMN @extschema@.fleet_replies.versions IS
    'The versions in force on the node: for each model type production, canary and the canary''s percentage';
COMMENT ON COLUMN @extschema@.fleet_replies.received_at IS
    'When the answer to that heartbeat arrived at the hub, by the hub''s clock; NULL on the node, and until the next '
    'answer after a copy';
COMMENT ON COLUMN @extschema@.fleet_replies.missing_from IS
    'At the hub: from this time (of the node''s clock) on conversations are missing here until fleet_resync(); NULL = '
    'none are known to be';
COMMENT ON COLUMN @extschema@.fleet_replies.missing_to IS
    'Up to this time they are missing; NULL where missing_from is';

CREATE TABLE @extschema@.fleet_rollout_steps (
    rollout_id bigint NOT NULL,
    node integer NOT NULL,
    step integer NOT NULL,
    in_force_at timestamptz NOT NULL,
    CONSTRAINT fleet_rollout_steps_pkey PRIMARY KEY (rollout_id, node, step),
    CONSTRAINT fleet_rollout_steps_check CHECK (node BETWEEN 1 AND 1023 AND step >= 1)
);
REVOKE ALL ON TABLE @extschema@.fleet_rollout_steps FROM PUBLIC;
SELECT pg_extension_config_dump('@extschema@.fleet_rollout_steps', '');
COMMENT ON TABLE @extschema@.fleet_rollout_steps IS
    'When each step of a rollout came into force on each node: until then it assigned sessions by the step before';
COMMENT ON COLUMN @extschema@.fleet_rollout_steps.rollout_id IS 'The rollout (rollouts.id)';
COMMENT ON COLUMN @extschema@.fleet_rollout_steps.node IS 'Number of the node';
COMMENT ON COLUMN @extschema@.fleet_rollout_steps.step IS 'The step, from 1';
COMMENT ON COLUMN @extschema@.fleet_rollout_steps.in_force_at IS
    'When the node got it, by the node''s clock, which its conversations have too';

-- Rows are added by the subscriptions, and taken by sweep_fleet() and by nobody else.
CREATE TABLE @extschema@.fleet_arrivals (
    conversation_log_id bigint NOT NULL,
    CONSTRAINT fleet_arrivals_pkey PRIMARY KEY (conversation_log_id)
);
REVOKE ALL ON TABLE @extschema@.fleet_arrivals FROM PUBLIC;
SELECT pg_extension_config_dump('@extschema@.fleet_arrivals', '');
COMMENT ON TABLE @extschema@.fleet_arrivals IS
    'At a hub: auto-approved conversations of nodes that wait for their sample, which sweep_fleet() makes';
COMMENT ON COLUMN @extschema@.fleet_arrivals.conversation_log_id IS 'The conversation';
