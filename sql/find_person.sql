-- tw_person_rows(): which rows are a person's, and which keys would match everybody.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET training_workflow.allow_drop = on;
DROP EXTENSION IF EXISTS training_workflow CASCADE;
RESET training_workflow.allow_drop;
RESET client_min_messages;
CREATE EXTENSION training_workflow;

-- Digits of any script; no country code is guessed.
SELECT phone_digits(given), given
FROM unnest(ARRAY['+91 98765 43210', '0091-98765-43210', '(91) 98765.43210', 'whatsapp:+919876543210',
                  U&'+\096F\0967 \096F\096E\096D\096C\096B\200B \096A\0969\0968\0967\0966', '98765 43210',
                  '098765 43210',
                  '+', '00', '', NULL]) given;

INSERT INTO review_policies (id, audit_rate_approved, audit_rate_review) VALUES (0, 0, 0);
INSERT INTO conversation_logs (session_id, phone_number, user_id, user_message, nlu_intent, nlu_confidence,
                               nlu_provider)
SELECT v.s, v.p, v.u, v.m, 'intent.food.item.search', 0.95, 'indicbert' FROM (VALUES
    (1, 'own', '+91 98765 43210', NULL, 'veg pizza'),
    (2, 'own', NULL, NULL, 'names nobody'),
    (3, 'own', '', '', 'names nobody either'),
    (4, 'own', '00919876543210', 'u7', 'her user too'),
    (5, 'own', NULL, 'u7', 'her user alone, in her session'),
    (6, 'elsewhere', NULL, 'u7', 'her user alone'),
    (7, 'shared', '919876543210', NULL, 'on a shared device'),
    (8, 'shared', NULL, NULL, 'one of the two'),
    (9, 'shared', NULL, 'u8', 'somebody else'),
    (10, 'others', '+91 91234 56789', 'u8', 'names nobody'),
    (11, 'local', '98765 43210', NULL, 'without its country code'),
    (12, 'lonely', NULL, NULL, 'nobody at all')) v (n, s, p, u, m)
ORDER BY v.n;
CREATE FUNCTION found(phone_number text, user_id text DEFAULT NULL, session_id text[] DEFAULT NULL) RETURNS text
    LANGUAGE sql AS $$ SELECT string_agg(row_id::text, ' ' ORDER BY relation, row_id)
                       FROM tw_person_rows(phone_number, user_id, session_id) $$;
SELECT found('+91-98765-43210') AS by_phone, found(NULL, 'u7') AS by_user, found('+91-98765-43210', 'u7') AS by_both,
       found(NULL, NULL, '{shared,lonely}') AS by_session, found('+91-98765-43210', NULL, '{lonely}') AS either,
       found('1') AS nobody;
-- A user is compared as it is written.
SELECT found(NULL, 'U7'), found(NULL, ' u7');

-- Samples without a conversation whose text is hers, as it came or as it is masked; not what others say too.
INSERT INTO conversation_logs (session_id, phone_number, user_message)
    VALUES ('own', '+91 98765 43210', 'Call 98765 43210!'), ('others', '+91 91234 56789', 'where is my order'),
           ('own', '+91 98765 43210', 'where is my order'), ('own', '+91 98765 43210', ' ');
INSERT INTO training_samples (id, text, intent) VALUES
    (101, 'VEG  pizza', 'intent.a.b'), (102, 'call 98765 43210', 'intent.a.b'), (103, 'call 00000 00000', 'intent.a.b'),
    (104, 'where is my order', 'intent.a.b'), (105, 'names nobody', 'intent.a.b'),
    (106, 'nothing of hers', 'intent.a.b');
SELECT relation, array_agg(row_id ORDER BY row_id) FROM tw_person_rows('+91 98765 43210', NULL, NULL)
WHERE relation = 'training_samples' GROUP BY 1;

-- Keys that would match everybody.
SELECT found(NULL);
SELECT found('');
SELECT found('guest');
SELECT found(NULL, U&' \200B');
SELECT found('98765 43210', '');
SELECT found(NULL, NULL, '{}');
SELECT found(NULL, NULL, '{own,NULL}');

-- People who have a user alone, or a phone number alone, and said something before that. A blank user is none. A blank
-- session is not theirs.
INSERT INTO conversation_logs (id, session_id, phone_number, user_id, user_message) VALUES
    (201, 'w', NULL, NULL, 'before the login'), (202, 'w', NULL, 'zed', 'after the login'),
    (203, 'v', NULL, NULL, 'before the number'), (204, 'v', '12345678', NULL, 'after the number'),
    (205, 'k', NULL, ' ', 'blank'), (206, 'k', '5551', 'kim', 'hers'), (207, 'k', ' ', NULL, 'blank too'),
    (208, '', '777', 'yan', 'no session'), (209, '', NULL, NULL, 'of a stranger'),
    (210, ' ', '', '', 'of another'), (211, 't1', NULL, 'tim', 'Tell me more'),
    (212, 't2', NULL, 'tom', ' tell me MORE');
INSERT INTO training_samples (id, text, intent) VALUES (201, 'tell me more', 'intent.a.b');
SELECT found(NULL, 'zed') AS zed, found('12345678') AS number, found('5551', 'kim') AS kim, found(NULL, 'yan') AS yan,
       found(NULL, 'tim') AS tim;

DROP FUNCTION found;
SET training_workflow.allow_drop = on;
DROP EXTENSION training_workflow CASCADE;
