"""A chatbot that captures with asyncpg. DATABASE_URL names the database; the role is of kind capture."""
import asyncio
import json
import os
import sys

import asyncpg


async def set_codec(connection):
    """jsonb as Python objects; without it asyncpg takes and gives JSON text."""
    await connection.set_type_codec("jsonb", encoder=json.dumps, decoder=json.loads, schema="pg_catalog")


async def connect():
    # One connection serves one message at a time: a service makes asyncpg.create_pool(..., init=set_codec).
    # Through a pool in transaction mode (pgbouncer before 1.21) statement_cache_size has to be 0, and every statement
    # belongs into a transaction: asyncpg prepares and executes in two steps, which must reach the same server process.
    connection = await asyncpg.connect(os.environ["DATABASE_URL"], statement_cache_size=0)
    await set_codec(connection)
    return connection


async def answer(connection, session, text):
    """Captures one message; returns the conversation's id and the reply."""
    async with connection.transaction():
        version = await connection.fetchval("SELECT assign_model_version('router', $1)", session)
        nlu = await connection.fetchrow("SELECT * FROM classify_intent($1, 'router', $2)", text, version)
        # All is NULL while no model is live: the message is captured all the same, and a person labels it.
        new_id = await connection.fetchval(
            """INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_module_type,
                   nlu_provider, nlu_model_version, nlu_entities, nlu_processing_time_ms)
               VALUES ($1, $2, $3, $4, $5, 'indicbert', $6, $7, $8) RETURNING id""",
            session, text, nlu["intent"], nlu["confidence"], nlu["module_type"], version, [{"dish": "pizza"}], 12.7)
        reply = "12 places near you"                             # your own code
        await connection.execute("SELECT record_response($1, $2, $3, $4, $5)", new_id, session, reply, True,
                                 "opensearch")
    return new_id, reply


async def thumbs_down(connection, new_id, session, correction=None):
    async with connection.transaction():
        await connection.execute("SELECT record_feedback($1, $2, 'negative', $3)", new_id, session, correction)


async def many(connection, messages):
    """Captures (session, text) pairs in one go: COPY into the table is the fastest way, and returns no ids.

    asyncpg writes binary COPY, for which a codec of text does not serve: jsonb columns need executemany().
    """
    async with connection.transaction():
        await connection.copy_records_to_table("conversation_logs", schema_name=os.environ.get("TW_SCHEMA"),
                                               columns=["session_id", "user_message", "nlu_provider"],
                                               records=[(session, text, "llm") for session, text in messages])


async def order(connection, session, text, fail=False):
    """The conversation is stored if the order is: both commit or roll back together."""
    async with connection.transaction():
        new_id, _ = await answer(connection, session, text)
        await connection.execute("INSERT INTO orders (conversation, note) VALUES ($1, $2)", new_id, "pizza")
        if fail:
            raise ValueError("the kitchen is closed")
    return new_id


if __name__ == "__main__":
    sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
    from dialogue import run_complete
    with asyncio.Runner() as runner:
        link = runner.run(connect())

        def call(function):
            return lambda *arguments, **named: runner.run(function(link, *arguments, **named))
        run_complete(call(answer), call(thumbs_down), call(many), call(order))
        runner.run(link.close())
