"""A chatbot that captures with psycopg 3. DATABASE_URL names the database; the role is of kind capture."""
import os
import sys

import psycopg
from psycopg.types.json import Jsonb

# One connection serves one message at a time: a service with many threads takes one from a psycopg_pool.ConnectionPool.
# A pool in transaction mode (pgbouncer before 1.21) needs prepare_threshold=None: no prepared statements.
connection = psycopg.connect(os.environ["DATABASE_URL"], autocommit=True, prepare_threshold=None)


def answer(session, text, connection=connection):
    """Captures one message; returns the conversation's id and the reply."""
    version = connection.execute("SELECT assign_model_version('router', %s)", [session]).fetchone()[0]
    intent, confidence, module = connection.execute(
        "SELECT intent, confidence, module_type FROM classify_intent(%s, 'router', %s)", [text, version]).fetchone()
    # All is NULL while no model is live: the message is captured all the same, and a person labels it.
    new_id = connection.execute(
        """INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_module_type,
               nlu_provider, nlu_model_version, nlu_entities, nlu_processing_time_ms)
           VALUES (%s, %s, %s, %s, %s, 'indicbert', %s, %s, %s) RETURNING id""",
        [session, text, intent, confidence, module, version, Jsonb([{"dish": "pizza"}]), 12.7]).fetchone()[0]
    reply = "12 places near you"                                 # your own code
    connection.execute("SELECT record_response(%s, %s, %s, %s, %s)", [new_id, session, reply, True, "opensearch"])
    return new_id, reply


def thumbs_down(new_id, session, correction=None):
    connection.execute("SELECT record_feedback(%s, %s, 'negative', %s)", [new_id, session, correction])


def many(messages):
    """Captures (session, text) pairs in one go: COPY into the table is the fastest way, and returns no ids."""
    with connection.cursor() as cursor, cursor.copy(
            "COPY conversation_logs (session_id, user_message, nlu_provider, nlu_entities) FROM STDIN") as copy:
        for session, text in messages:
            copy.write_row([session, text, "llm", Jsonb({"dish": "burger"})])


def order(session, text, fail=False):
    """The conversation is stored if the order is: both commit or roll back together."""
    with connection.transaction():
        new_id, _ = answer(session, text)
        connection.execute("INSERT INTO orders (conversation, note) VALUES (%s, %s)", [new_id, "pizza"])
        if fail:
            raise ValueError("the kitchen is closed")
    return new_id


if __name__ == "__main__":
    sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
    from dialogue import run_complete
    run_complete(answer, thumbs_down, many, order)
