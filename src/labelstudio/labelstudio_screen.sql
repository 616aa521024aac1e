-- The screen that a reviewer has in Label Studio, and what can be chosen there.

-- A key that no keyboard has, for choices without one: Label Studio gives those a letter of its own, which may be that
-- of a verdict, and then does both.
CREATE FUNCTION @extschema@.tw_labelstudio_no_key(n bigint) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
RETURN chr((57344 + n % 6400)::integer);
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_no_key(bigint) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_no_key(bigint) IS
    'A hotkey that cannot be pressed, for the choice of this number: a character for private use';

-- Label Studio's own styles have names that begin with lsf-; where another version calls them otherwise, the screen
-- is plainer and works. No text of a style may have one of the characters greater, less and ampersand: Label Studio
-- escapes them.
CREATE FUNCTION @extschema@.tw_labelstudio_config() RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
-- Each task brings its intents and labels, so that a new one needs no change of the project. It brings its verdicts
-- too: where two models disagree there is nothing to approve, but two answers to choose from. A task of an earlier
-- version has its correction and reply in "context". A TextArea ignores visibleWhen: the View around it has it.
RETURN '<View className="tw-screen">
  <Style>
    .tw-screen { display: flex; flex-direction: column; gap: 10px; height: calc(100vh - 176px); min-height:
      320px; }
    .lsf-label-view__lsf-wrapper_mode_labeling .tw-screen { height: calc(100vh - 134px); }
    .tw-screen h3, .tw-screen h4 { margin: 0 !important; unicode-bidi: plaintext; overflow-wrap: anywhere; }
    .tw-screen .ant-form-item, .tw-screen .lsf-text-area { margin: 0 !important; }
    .tw-size { display: none; }
    .tw-top { display: flex; flex: 0 1 42%; gap: 12px; min-height: 110px; }
    .tw-screen:has(.tw-size h3:not(:empty)) .tw-top { flex: 1 1 42%; }
    .tw-message { display: flex; flex: 3 1 0; flex-direction: column; gap: 6px; min-width: 0; }
    .tw-message .lsf-object { flex: 0 1 auto; min-height: 46px; overflow-y: auto; border: 1px solid
      var(--color-neutral-border); border-radius: 6px; }
    .tw-message .lsf-richtext__container { padding: 8px 12px; font-size: 22px; line-height: 1.4; white-space:
      pre-wrap; overflow-wrap: anywhere; unicode-bidi: plaintext; }
    .tw-screen:has(.tw-size h3:not(:empty)) .lsf-richtext__container { font-size: 15px; line-height: 1.3; }
    .tw-message .lsf-labels { flex: none; max-height: 62px; margin: 0; overflow-y: auto; }
    .tw-message .lsf-label { margin: 0 6px 4px 0; }
    .tw-beside { display: flex; flex: 2 1 0; flex-direction: column; gap: 8px; min-width: 0; }
    .tw-beside:not(:has(h3:not(:empty))) { display: none; }
    .tw-said { flex: 0 1 auto; min-height: 60px; overflow-y: auto; padding: 6px 10px; border-left: 3px solid
      var(--color-neutral-border-bold); background: var(--color-neutral-surface); }
    .tw-said h3 { font-size: 16px; font-weight: 400; line-height: 1.35; white-space: pre-wrap; }
    .tw-said h4 { font-size: 12px; font-weight: 600; line-height: 1.4; color:
      var(--color-neutral-content-subtle); }
    .tw-said:has(h3:empty), .tw-beside:has(.tw-part h3:not(:empty)) .tw-whole { display: none; }
    .tw-verdict { display: flex; flex: none; flex-wrap: wrap; align-items: center; gap: 8px 16px; }
    .tw-verdict h3 { flex: 0 0 100%; max-height: 44px; overflow-y: auto; font-size: 16px; line-height: 1.35; }
    .tw-verdict .lsf-choices, .tw-reason .lsf-choices { margin: 0; }
    .tw-verdict .lsf-choice, .tw-reason .lsf-choice { margin: 0 6px 0 0; }
    .tw-verdict .lsf-choice__checkbox, .tw-reason .lsf-choice__checkbox { margin: 0; padding: 5px 12px 5px 8px;
      border: 1px solid var(--color-neutral-border-bold); border-radius: 6px; }
    .tw-verdict .lsf-choice__checkbox:has(:checked), .tw-reason .lsf-choice__checkbox:has(:checked) {
      border-color: var(--color-primary-border); background: var(--color-primary-emphasis-subtle); }
    .tw-verdict .lsf-text-area { flex: 1 1 160px; }
    .tw-fix { display: grid; flex: 1 1 180px; grid-template-columns: 1fr 1fr; grid-template-rows: auto 1fr; gap:
      8px 12px; min-height: 180px; }
    .tw-search { grid-area: 1 / 1; }
    .tw-new { grid-area: 1 / 2; }
    .tw-search input { height: 40px; margin-top: 4px; font-size: 15px; color: var(--color-neutral-content);
      background: var(--color-neutral-background); border-color: var(--color-neutral-border); border-radius:
      4px; }
    .tw-search input::placeholder { color: var(--color-neutral-content-subtler); }
    .tw-intents { grid-area: 2 / 1 / 3 / 3; overflow-y: auto; }
    .tw-intents .lsf-choices { display: grid; grid-template-columns: repeat(auto-fill, minmax(220px, 1fr)); gap:
      0 10px; align-items: end; margin: 0; }
    .tw-intents .lsf-choice { margin: 0; }
    .tw-intents .lsf-choice:has(.tw-module) { grid-column-start: 1; }
    .tw-intents .lsf-choice__checkbox { position: relative; margin: 0; padding: 1px 4px 1px 28px; font-size:
      14px; font-weight: 400; line-height: 1.3; overflow-wrap: break-word; }
    .tw-intents .lsf-choice__checkbox:has(:checked) { background: var(--color-primary-emphasis-subtle);
      font-weight: 600; }
    .tw-intents .lsf-choice__checkbox:has(.tw-module):has(:checked) { background:
      linear-gradient(var(--color-primary-emphasis-subtle), var(--color-primary-emphasis-subtle)) bottom / 100%
      20px no-repeat; }
    .tw-intents .lsf-choice__checkbox sup { display: none; }
    .tw-intents .ant-checkbox { display: none; }
    .tw-intents .tw-module { display: block; margin-left: -24px; padding-top: 4px; font-size: 12px; font-weight:
      600; color: var(--color-neutral-content-subtle); }
    .tw-intents kbd { position: absolute; bottom: 1px; left: 4px; width: 18px; border: 1px solid
      var(--color-neutral-border-bold); border-radius: 3px; font: 12px/16px monospace; text-align: center; }
    .tw-fix:has(.tw-search input:not(:placeholder-shown)) .tw-module { display: none; }
    .tw-fix:has(.tw-search input:not(:placeholder-shown)) .lsf-choice { grid-column-start: auto; }
  </Style>
  <View className="tw-size"><Header value="$size"/></View>
  <View className="tw-top">
    <View className="tw-message">
      <Text name="utterance" value="$text" granularity="symbol"/>
      <Labels name="entities" toName="utterance" value="$entity_labels" showInline="true"/>
    </View>
    <View className="tw-beside">
      <View className="tw-said tw-part"><Header size="5" value="The user''s correction"/><Header
        value="$correction"/></View>
      <View className="tw-said tw-part"><Header size="5" value="The chatbot''s reply"/><Header
        value="$reply"/></View>
      <View className="tw-said tw-whole"><Header value="$context"/></View>
    </View>
  </View>
  <View className="tw-verdict">
    <Header value="$header"/>
    <Choices name="verdict" toName="utterance" choice="single-radio" showInline="true" value="$verdicts"
      required="true" requiredMessage="Choose one of these"/>
    <TextArea name="note" toName="utterance" rows="1" maxSubmissions="1" editable="true"
      placeholder="Note (optional)"/>
  </View>
  <View className="tw-reason">
    <Choices name="reject_reason" toName="utterance" choice="single-radio" showInline="true"
      visibleWhen="choice-selected" whenTagName="verdict" whenChoiceValue="reject">
      <Choice value="unclear" hotkey="u"/>
      <Choice value="no-such-intent" hotkey="n"/>
    </Choices>
  </View>
  <View className="tw-fix" visibleWhen="choice-selected" whenTagName="verdict"
    whenChoiceValue="fix,another intent">
    <View className="tw-new"><TextArea name="new_intent" toName="utterance" rows="1" maxSubmissions="1"
      editable="true" placeholder="Or the name of a new intent"/></View>
    <View className="tw-search"><Filter name="intent_filter" toName="intent" hotkey="i" minlength="0"
      cleanup="false" placeholder="[i] Search; Enter takes the first, Tab leaves"/></View>
    <View className="tw-intents"><Choices name="intent" toName="utterance" choice="single" showInline="true"
      value="$intent_options"/></View>
  </View>
</View>';
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_config() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_config() IS
    'The labelling interface as XML: keys a, f and r approve, fix and reject (defined by the tasks); u and n give the '
    'reason of a rejection (without one: unclear); i goes to the search among the intents';

CREATE FUNCTION @extschema@.tw_labelstudio_verdicts(suggestions text[], has_answer boolean) RETURNS jsonb
    LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT CASE WHEN suggestions IS NULL
        THEN CASE WHEN has_answer THEN '[{"value": "approve", "hotkey": "a"}]'::jsonb ELSE '[]' END
             || '[{"value": "fix", "hotkey": "f"}, {"value": "reject", "hotkey": "r"}]'
        ELSE (SELECT jsonb_agg(jsonb_build_object('value', CASE s.suggestion WHEN '' THEN 'no answer'
                                                                ELSE s.suggestion END, 'hotkey', s.n::text)
                               ORDER BY s.n)
              FROM unnest(suggestions) WITH ORDINALITY AS s (suggestion, n))
             || '[{"value": "another intent", "hotkey": "f"}, {"value": "no such intent", "hotkey": "n"}, {"value": '
                '"unclear", "hotkey": "u"}]'::jsonb END;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_verdicts(text[], boolean) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_verdicts(text[], boolean) IS
    'The choices of a task: approve (where there is an answer), fix and reject; or, where two models disagree, both '
    'answers (keys 1 and 2), another intent, no such intent and unclear';

CREATE FUNCTION @extschema@.tw_labelstudio_is_long(message text) RETURNS boolean
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
RETURN char_length(message) > 500 OR char_length(message) - char_length(replace(message, E'\n', '')) > 8;
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_is_long(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_is_long(text) IS
    'Whether a message is shown in small letters: more than 500 characters, or more than 8 line feeds';

CREATE FUNCTION @extschema@.tw_labelstudio_html(value text) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
RETURN replace(replace(replace(value, '&', '&amp;'), '<', '&lt;'), '>', '&gt;');
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_html(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_html(text) IS 'A text as the content of an HTML element';

CREATE FUNCTION @extschema@.tw_labelstudio_intents(
    known_intents text[], answer text, module_type text, is_blind boolean) RETURNS jsonb
    LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH shown AS (
        SELECT CASE WHEN NOT is_blind AND NOT @extschema@.tw_is_blank(answer) THEN answer END AS answer
    ), every AS (
        SELECT i.intent, i.intent IS NOT DISTINCT FROM s.answer AS is_answer,
               @extschema@.intent_module_type(i.intent) AS module
        FROM shown s, (SELECT unnest(known_intents) UNION SELECT answer) AS i (intent)
        WHERE NOT @extschema@.tw_is_blank(i.intent)
    ), placed AS (
        SELECT e.intent, g.title, lag(g.title) OVER in_order IS DISTINCT FROM g.title AS is_first,
               row_number() OVER in_order AS n,
               -- Where two answers can be chosen, they have the first two digits.
               row_number() OVER in_order + CASE WHEN is_blind THEN 2 WHEN s.answer IS NULL THEN 0 ELSE -1 END AS digit
        FROM shown s, every e
        CROSS JOIN LATERAL (SELECT CASE WHEN e.is_answer THEN 'The model''s answer'
                                        ELSE coalesce(e.module, 'no module') END AS title) g
        WINDOW in_order AS (ORDER BY e.is_answer DESC,
                            NOT is_blind AND e.module IS NOT DISTINCT FROM module_type DESC,
                            e.module COLLATE "C" NULLS LAST, e.intent COLLATE "C")
    )
    SELECT coalesce(jsonb_agg(jsonb_build_object(
               'value', p.intent,
               'hotkey', CASE WHEN p.digit BETWEEN 1 AND 9 THEN p.digit::text
                              ELSE @extschema@.tw_labelstudio_no_key(p.n) END)
           || CASE WHEN NOT p.is_first AND p.digit NOT BETWEEN 1 AND 9 THEN '{}'
                   ELSE jsonb_build_object('html', concat(
                       '<span class="tw-module">' || CASE WHEN p.is_first
                                                     THEN @extschema@.tw_labelstudio_html(p.title) END || '</span>',
                       '<kbd>' || CASE WHEN p.digit BETWEEN 1 AND 9 THEN p.digit END || '</kbd>',
                       @extschema@.tw_labelstudio_html(p.intent))) END ORDER BY p.n), '[]')
    FROM placed p;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_intents(text[], text, text, boolean) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_intents(text[], text, text, boolean) IS
    'The intents that a task offers, by module: the model''s answer first, then its module, then '
    'the others (in a blind review by module alone); the first ones have digits as keys';

CREATE FUNCTION @extschema@.tw_labelstudio_labels(labels text[]) RETURNS jsonb
    LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    -- Letters that no verdict, no reason and no field has, and colours that can be told apart: Label Studio would give
    -- some labels the same one.
    WITH given AS (
        SELECT 'qwetyopsdghjklzxcvbm'::text AS letters,
               '{#4E79A7,#F28E2B,#E15759,#59A14F,#B07AA1,#EDC948,#76B7B2,#FF9DA7,#9C755F,#8A8A8A}'::text[] AS colours
    ), every AS (
        SELECT l.label, (row_number() OVER (ORDER BY l.label COLLATE "C"))::integer AS n
        FROM (SELECT DISTINCT u.label FROM unnest(labels) AS u (label) WHERE u.label IS NOT NULL) l
    )
    SELECT coalesce(jsonb_agg(jsonb_build_object('value', e.label, 'background', g.colours[1 + (e.n - 1) % 10],
        'hotkey', CASE WHEN e.n <= char_length(g.letters) THEN substr(g.letters, e.n, 1)
                       ELSE @extschema@.tw_labelstudio_no_key(6400 - e.n::bigint) END) ORDER BY e.n), '[]')
    FROM every e, given g;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_labels(text[]) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_labels(text[]) IS
    'The entity labels that a task offers, by name, with colours; the first twenty have letters as keys';
