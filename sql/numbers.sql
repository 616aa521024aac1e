-- Numbers: what differs in digits only, the loop that must not feed on unseen numbers, punctuation, and old routers.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET training_workflow.allow_drop = on;
DROP EXTENSION IF EXISTS training_workflow CASCADE;
RESET training_workflow.allow_drop;
RESET client_min_messages;
CREATE EXTENSION training_workflow;
SET client_min_messages = warning;

CREATE FUNCTION pg_temp.line(text text, intent text, split text) RETURNS text LANGUAGE sql AS
    $$ SELECT json_build_object('text', text, 'intent', intent, 'module_type', 'food', 'split', split)::text $$;
CREATE FUNCTION pg_temp.lines(prefix text, intent text) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(pg_temp.line(prefix || ' ' || w, intent, 'train'), E'\n')
    FROM unnest(ARRAY['pizza', 'dosa', 'biryani', 'thali', 'samosa', 'paneer tikka', 'idli', 'vada']) w
$$;
SELECT inserted FROM import_training_samples(pg_temp.lines('where can I find', 'search') || E'\n'
    || pg_temp.lines('please cancel my', 'cancel') || E'\n' || pg_temp.lines('what is the price of', 'price'));

-- A menu is four texts with four intents: no dispute, and none is a near-twin of another.
SELECT inserted FROM import_training_samples(
    (SELECT string_agg(pg_temp.line(format(p, n), 'option ' || n, 'train'), E'\n')
     FROM generate_series(1, 4) n, unnest(ARRAY['%s', 'opcion %s', 'option %s please', 'main %s chahiye']) p
     WHERE format(p, n) <> 'opcion 1'));
SELECT inserted FROM import_training_samples(pg_temp.line('opcion 1', 'option 1', 'test'));
SELECT count(*) AS disputed FROM label_conflicts;
SELECT text, intent FROM training_set() WHERE intent LIKE 'option%' ORDER BY text COLLATE "C";
SELECT text, intent FROM model_test_set();
-- Where the intent is the same, digits are alike, as ever; and so they are to near_twins().
SELECT inserted FROM import_training_samples(pg_temp.line('opcion 7', 'option 1', 'train') || E'\n'
                                             || pg_temp.line('opcion 8', 'option 8', 'train'));
SELECT text, intent, excluded FROM tw_training_texts('router') WHERE text IN ('opcion 7', 'opcion 8')
ORDER BY text COLLATE "C";
SELECT near_twins(ARRAY['opcion 7'], ARRAY['opcion 1']) AS public,
       tw_near_twins(ARRAY['opcion 7', 'OPCION 1!'], ARRAY['opcion 1'], 0.8, true) AS alike,
       tw_near_twins(ARRAY['opcion 7', 'OPCION 1!'], ARRAY['opcion 1'], 0.8, false) AS as_they_are;
-- More than the digits differs: digits count as they are where intents differ.
SELECT * FROM tw_texts_with_twins(
    ARRAY['book table 1 for me today', 'book table 1 for me today', 'book table for me today', 'table 2'],
    ARRAY['same', 'other', 'other', 'same'],
    ARRAY['book table 2 for me', 'book table for me', '2 table'], ARRAY['same', 'third', 'third'])
ORDER BY candidate COLLATE "C", intent COLLATE "C";
-- A new test text that differs in a digit from what a model has learned stays a test text if its intent differs.
BEGIN;
INSERT INTO review_policies (audit_rate_approved, audit_rate_review) VALUES (1, 1);
UPDATE training_samples SET text = 'main 10 chahiye', model_version_target = 'router-v0.0.1'
WHERE text = 'main 1 chahiye';
INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider, nlu_module_type)
    SELECT 'splits', format('main %s chahiye', n), CASE WHEN n < 40 THEN 'option 1' ELSE 'other' END, 0.5, 'x', 'food'
    FROM generate_series(11, 70) n;
SELECT count(*)
FROM approve_conversations((SELECT array_agg(id) FROM conversation_logs WHERE session_id = 'splits'));
SELECT s.intent, n.split, count(*) > 9 AS some
FROM tw_new_splits() n JOIN training_samples s USING (text_hash)
WHERE s.intent IN ('option 1', 'other') AND s.source = 'production'
GROUP BY 1, 2 ORDER BY 1, 2;
ROLLBACK;

-- The loop: two numbers with one intent. Other numbers have no answer, and none is approved without a person.
SELECT inserted FROM import_training_samples(pg_temp.line('88', 'goodbye', 'train') || E'\n'
    || pg_temp.line('886', 'goodbye', 'train') || E'\n' || pg_temp.line('??', 'help', 'train') || E'\n'
    || pg_temp.line('...', 'waiting', 'train') || E'\n' || pg_temp.line(':)', 'thanks', 'train'));
SELECT version FROM train_model();
SELECT promote_model('router-v1.0.0', 'a test');
SELECT count(*) AS learned, count(*) FILTER (WHERE c.intent = s.intent) AS answered_so
FROM training_set() s, classify_intent(s.text) c;
CREATE TEMP TABLE numbers AS
    SELECT t FROM unnest(ARRAY['25', '120', '5', '58', '8', '888', '8 8', '88 25', '12:30', '२५', '८८', '₹25',
                               '88.5', '98765432109876543210987654321', 'opcion 9', 'opcion 17', 'option 6 please',
                               '(25)', '25%']) t;
SELECT t, c.intent, c.confidence, c.reason FROM numbers, classify_intent(t) c
WHERE t NOT LIKE 'op%' ORDER BY t COLLATE "C";
INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider, nlu_module_type)
    SELECT 'loop', n.t, c.intent, c.confidence, 'indicbert', 'food'
    FROM numbers n, classify_intent(n.t) c WHERE c.intent IS NOT NULL;
SELECT count(*) > 0 AS captured, count(*) FILTER (WHERE review_status = 'approved') AS approved
FROM conversation_logs WHERE session_id = 'loop';

-- Punctuation has answers where it was learned.
SELECT t, c.intent, c.confidence > 0.5 AS likely, c.reason
FROM unnest(ARRAY['??', '...', ':)', '????', ':))', '!!', ':(', '…']) t, classify_intent(t) c;

-- A router of version 0.1.0: digits are alike to it, and punctuation is nothing.
SELECT register_model('router-v0.1.0', 'router', artifact => decode(
    '5457726f7574657265e3508a9adf64ea01000000f003000000000000030000004b000000050000006666e63e0362796500056772'
    || '65657400056f726465720040602bbe0e8eb83f0422a3bf7d74fcbc36a7f3bc9d46aebcea2aa32dd51bb844fb41bb518b9d019f0d'
    || 'e48003b58e02dfdb02da3fe912cf448240c89503b31fc27db50bed42bd59dd27d848a1fc02f125b015cd36ac5acbc902f524ac5b'
    || '9464883a8333e12b5fe809c548d8a601980694d701e38e02f8c8019328fd8802d28a01ca8001e712c98f01a7e401c91bc85690d5'
    || '01f140c5d902fb03d71ea528cca602e1109d3ebc9801b74fe2704eea67af03a7b2019b9501e72cef10e97ae25a9524bf87010101'
    || '01010101010403010101010101010201010101010101010301010101010101010401010101010102010101010101020101010101'
    || '010101010101010103010101010101010101010101078a0c673c07af7fd7073c4f973c07aadb7f077b92953c07a9dc7f07e784ce'
    || '3b077fb1dc07ca1f8f3c07bd7fc807918e9a3c07bd7fc8070ce4b23c07bc7fc8075f4a913c077fdea707741dfc3c077fb6cd078f'
    || '0c973c07aadb7f07aadd123c07ba7fcf0753f1933c07aadb7f070e09993c07abda7f07ebb14c3c077fb0d707eae99a3c077fafd6'
    || '078322bc3c07b77fcd07f475813c075e812607a339aa3c07abd97f0788bd503c07adda7f07227bab3c07b67fce072eb9923c07a8'
    || 'dd7f074753a73c07b77fce0789ea3a3c07ad7fda07d0f8f93c07a7dc7f071476aa3c07b67fce0787f0c03c077fadd70792004e3c'
    || '07afd87f07d4b6213c077fb0d907e342513c07add97f07b652dd3b077fb1da071110523c077fb0d607ca1f8f3c07bd7fc807144e'
    || '9d3c07bd7fc807adb5943c07a9dc7f072f73533c077fb8cf07cb02533c07aed97f075647b23c07bc7fc80726f33a3c07abdd7f07'
    || '6e96ce3b077fb0dc079dcc963c077fafd607a5ae933c07aadb7f07bd465c3c077fa2e507ba54473c077fb0d707d159453c07adda'
    || '7f07f3266e3c07b97fcd07384ea63c07b77fce07bc30fb3c07a8db7f079b404e3c077fb0d70730486f3c071181730748a2d13b07'
    || '7fb1db0775efcf3b077fb1db076b13473c07adda7f07feca563c07b97fcd07feca563c07b97fcd07ba54473c077fb0d7078d97bf'
    || '3c07b77fcd07bc7b923c07bd7fc8074c70693c07b07fd607189b9b3c07bd7fc8070930583c07afd87f07798a103d077fe2a107e7'
    || '84ce3b077fb1dc070e73dc3c077fa0e4078ca95b3c07afd77f07e5364a3c077fb0d70717d2c83b077fb1db07416e963c077fafd6'
    || '07e5364a3c077fb0d7070415973c077fafd607560b9e3c07bd7fc80752905f3c07b07fd607bc7b923c07bd7fc807707d523c07ad'
    || 'd97f079bd5323c07ae7fda077d44aa3c07b67fce', 'hex'));
SELECT t, c.intent, round(c.confidence::numeric, 5) AS confidence
FROM unnest(ARRAY['hi', '25', 'order 40', '88', '88 bye', '??']) t, classify_intent(t, version => 'router-v0.1.0') c;
-- The hash of a text is what it was.
SELECT text_hash('opcion 1'), text_hash('OPCION 2!'), normalize_text(' Opcion  2! '), normalize_text('??');
