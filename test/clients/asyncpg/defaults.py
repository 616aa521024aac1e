"""What a developer writes first with asyncpg."""
import asyncio
import datetime
import json
import os
import sys

import asyncpg

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
from report import POOLED, RELATIONS, attempt_async                      # noqa: E402

URL = os.environ["DATABASE_URL"]
SCHEMA = os.environ.get("TW_SCHEMA")
NOW = datetime.datetime(2026, 3, 1, 12, 30)
LIST = [{"dish": "pizza"}]
KOLKATA = datetime.timezone(datetime.timedelta(hours=5, minutes=30))


class Link:
    """A connection for one default, as a request of a web application has it."""
    def __init__(self, codec=False, **options):
        self.codec, self.options = codec, ({"statement_cache_size": 0} if POOLED else {}) | options

    async def __aenter__(self):
        self.connection = await asyncpg.connect(URL, **self.options)
        if self.codec:
            await self.connection.set_type_codec("jsonb", encoder=json.dumps, decoder=json.loads, schema="pg_catalog")
        return self.connection

    async def __aexit__(self, *_):
        await self.connection.close()


async def insert(connection, relation, session, values, returning="id"):
    values = {"session_id": session, "user_message": "veg pizza"} | values
    row = await connection.fetchrow(
        f"INSERT INTO {relation} ({', '.join(values)}) "
        f"VALUES ({', '.join(f'${number + 1}' for number in range(len(values)))}) RETURNING {returning}",
        *values.values())
    return 1, row["id"]


async def try_values(relation):
    async def one(name, values, sent=None, returning="id", **options):
        async def run(session):
            async with Link(**options) as connection:
                return await insert(connection, relation, session, values, returning)
        await attempt_async(f"{relation}: {name}", run, sent)

    await one("fetchrow RETURNING id", {})
    await one("fetchrow RETURNING *", {}, returning="*")
    await one("fetchrow RETURNING id, created_at", {}, returning="id, created_at")
    await one("a fraction of a millisecond", {"nlu_processing_time_ms": 12.7}, {"nlu_processing_time_ms": 12.7})
    await one("entities as JSON text", {"nlu_entities": json.dumps(LIST)}, {"nlu_entities": LIST})
    await one("entities as a list, with a codec", {"nlu_entities": LIST}, {"nlu_entities": LIST}, codec=True)
    await one("entities as a dict, with a codec", {"nlu_entities": LIST[0]}, {"nlu_entities": LIST[0]}, codec=True)
    await one("entities as a list, without a codec", {"nlu_entities": LIST})
    await one("response_success False", {"response_success": False}, {"response_success": False})
    await one("created_at without a zone", {"created_at": NOW}, {"created_at": "2026-03-01T12:30:00Z"})
    await one("created_at with a zone", {"created_at": NOW.replace(tzinfo=KOLKATA)},
              {"created_at": "2026-03-01T07:00:00Z"})
    await one("an explicit id", {"id": 4711})


async def try_many(relation):
    async def executemany(session):
        async with Link() as connection:
            await connection.executemany(f"INSERT INTO {relation} (session_id, user_message) VALUES ($1, $2)",
                                         [(session, f"pizza {number}") for number in range(20)])
        return 20, None
    await attempt_async(f"{relation}: executemany", executemany)

    async def fetchmany(session):
        async with Link() as connection:
            rows = await connection.fetchmany(
                f"INSERT INTO {relation} (session_id, user_message) VALUES ($1, $2) RETURNING id",
                [(session, f"pizza {number}") for number in range(20)])
        return len(rows), rows[-1]["id"]
    await attempt_async(f"{relation}: fetchmany RETURNING id", fetchmany)

    async def unnest(session):
        async with Link() as connection:
            rows = await connection.fetch(f"INSERT INTO {relation} (session_id, user_message) "
                                          "SELECT $1, unnest($2::text[]) RETURNING id", session, ["veg", "pizza"])
        return len(rows), rows[-1]["id"]
    await attempt_async(f"{relation}: INSERT ... SELECT unnest", unnest)

    async def copy(session, columns, records, codec=False):
        async with Link(codec=codec) as connection:
            await connection.copy_records_to_table(relation, schema_name=SCHEMA, columns=columns, records=records)
        return len(records), None
    await attempt_async(f"{relation}: copy_records_to_table", lambda session: copy(
        session, ["session_id", "user_message"], [(session, f"pizza {number}") for number in range(20)]))
    await attempt_async(f"{relation}: copy_records_to_table, entities as text", lambda session: copy(
        session, ["session_id", "user_message", "nlu_entities"], [(session, "pizza", '["veg"]')]))
    await attempt_async(f"{relation}: copy_records_to_table, entities with a codec", lambda session: copy(
        session, ["session_id", "user_message", "nlu_entities"], [(session, "pizza", ["veg"])], codec=True))


async def try_the_rest(relation):
    async def rollback(session):
        async with Link() as connection:
            transaction = connection.transaction()
            await transaction.start()
            await insert(connection, relation, session, {})
            await transaction.rollback()
        return 0, None
    await attempt_async(f"{relation}: rollback", rollback)

    async def select(session):
        async with Link() as connection:
            await insert(connection, relation, session, {})
            return 1, await connection.fetchval(f"SELECT id FROM {relation} WHERE session_id = $1", session)
    await attempt_async(f"{relation}: SELECT afterwards", select)

    async def update(session):
        async with Link() as connection:
            _, new_id = await insert(connection, relation, session, {})
            await connection.execute(f"UPDATE {relation} SET response_text = 'yes' WHERE id = $1", new_id)
        return 1, new_id
    await attempt_async(f"{relation}: UPDATE with the response", update)

    async def two(session, size):
        """Two connections at the same time, one of which comes back to a statement that it prepared."""
        async with Link(statement_cache_size=size) as one, Link(statement_cache_size=size) as other:
            await insert(one, relation, session, {})
            async with other.transaction():
                await insert(other, relation, session, {})
                _, new_id = await insert(one, relation, session, {})
        return 3, new_id
    await attempt_async(f"{relation}: two connections", lambda session: two(session, 100))
    await attempt_async(f"{relation}: two connections, statement_cache_size=0", lambda session: two(session, 0))


async def functions(session):
    async with Link() as connection:
        _, new_id = await insert(connection, "conversation_logs", session, {})
        one = await connection.fetchval("SELECT record_response($1, $2, 'yes', $3)", new_id, session, True)
        two = await connection.fetchval("SELECT record_feedback($1, $2, 'negative')", new_id, session)
    assert one == two == new_id, f"the functions returned {one!r} and {two!r}, not {new_id}"
    return 1, new_id


async def main():
    for relation in RELATIONS:
        await try_values(relation)
        await try_many(relation)
        await try_the_rest(relation)
    await attempt_async("record_response() and record_feedback()", functions,
                        {"response_text": "yes", "response_success": True, "user_feedback": "negative"})

asyncio.run(main())
