-- The first thing that a connection does; the row is promoted, the longer way. run.sh puts the table's name in.
\timing on
INSERT INTO :table (session_id, user_message, nlu_intent, nlu_confidence, nlu_module_type, nlu_provider)
VALUES ('s-1', 'veg pizza', 'intent.food.item.search', 0.97, 'food', 'indicbert');
