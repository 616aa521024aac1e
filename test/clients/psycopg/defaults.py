"""What a developer writes first with psycopg 3."""
import datetime
import json
import os
import sys

import psycopg
from psycopg.types.json import Json, Jsonb

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
from report import POOLED, RELATIONS, attempt                           # noqa: E402

URL = os.environ["DATABASE_URL"]
OPTIONS = {"prepare_threshold": None} if POOLED else {}
NOW = datetime.datetime(2026, 3, 1, 12, 30)
LIST = [{"dish": "pizza"}]
KOLKATA = datetime.timezone(datetime.timedelta(hours=5, minutes=30))


def connect(**options):
    return psycopg.connect(URL, **OPTIONS | options)


def insert(session, values, returning="id", relation="conversation_logs"):
    """One row with these columns; the connection commits where its block ends."""
    values = {"session_id": session, "user_message": "veg pizza"} | values
    with connect() as connection:
        row = connection.execute(
            f"INSERT INTO {relation} ({', '.join(values)}) VALUES ({', '.join(['%s'] * len(values))})"
            + (f" RETURNING {returning}" if returning else ""), list(values.values()))
        return (1, row.fetchone()[0]) if returning else (row.rowcount, None)


def on_relation(relation):
    def try_values(name, values, sent=None, returning="id"):
        attempt(f"{relation}: {name}", lambda session: insert(session, values, returning, relation), sent)

    try_values("execute", {}, returning=None)
    try_values("RETURNING id", {})
    try_values("RETURNING *", {}, returning="*")
    try_values("RETURNING id, created_at", {}, returning="id, created_at")
    try_values("a fraction of a millisecond", {"nlu_processing_time_ms": 12.7}, {"nlu_processing_time_ms": 12.7})
    try_values("entities as Jsonb(list)", {"nlu_entities": Jsonb(LIST)}, {"nlu_entities": LIST})
    try_values("entities as Json(dict)", {"nlu_entities": Json(LIST[0])}, {"nlu_entities": LIST[0]})
    try_values("entities as JSON text", {"nlu_entities": json.dumps(LIST)}, {"nlu_entities": LIST})
    try_values("entities as a list, not wrapped", {"nlu_entities": LIST})
    try_values("entities as a dict, not wrapped", {"nlu_entities": LIST[0]})
    try_values("response_success False", {"response_success": False}, {"response_success": False})
    try_values("created_at without a zone", {"created_at": NOW}, {"created_at": "2026-03-01 12:30"})
    try_values("created_at with a zone", {"created_at": NOW.replace(tzinfo=KOLKATA)},
               {"created_at": "2026-03-01T07:00:00Z"})
    try_values("an explicit id", {"id": 4711})
    try_values("a review_status of its own", {"review_status": "approved"})

    def id_default(session):
        with connect() as connection:
            return 1, connection.execute(f"INSERT INTO {relation} (id, session_id, user_message) "
                                         "VALUES (DEFAULT, %s, 'veg') RETURNING id", [session]).fetchone()[0]
    attempt(f"{relation}: id DEFAULT", id_default)

    def executemany(session):
        with connect() as connection:
            connection.cursor().executemany(f"INSERT INTO {relation} (session_id, user_message) VALUES (%s, %s)",
                                            [(session, f"pizza {number}") for number in range(20)])
        return 20, None
    attempt(f"{relation}: executemany", executemany)

    def executemany_returning(session):
        with connect() as connection, connection.cursor() as cursor:
            cursor.executemany(f"INSERT INTO {relation} (session_id, user_message) VALUES (%s, %s) RETURNING id",
                               [(session, f"pizza {number}") for number in range(20)], returning=True)
            ids = [cursor.fetchone()[0]]
            while cursor.nextset():
                ids += [cursor.fetchone()[0]]
        return len(ids), ids[-1]
    attempt(f"{relation}: executemany(returning=True)", executemany_returning)

    def copy(session):
        with connect() as connection, connection.cursor() as cursor:
            with cursor.copy(f"COPY {relation} (session_id, user_message, nlu_entities) FROM STDIN") as rows:
                for number in range(20):
                    rows.write_row((session, f"pizza {number}", Jsonb([number])))
        return 20, None
    attempt(f"{relation}: copy", copy)

    def binary_copy(session):
        with connect() as connection, connection.cursor() as cursor:
            with cursor.copy(f"COPY {relation} (session_id, user_message) FROM STDIN (FORMAT binary)") as rows:
                rows.set_types(["text", "text"])
                for number in range(20):
                    rows.write_row((session, f"pizza {number}"))
        return 20, None
    attempt(f"{relation}: binary copy", binary_copy)

    def pipeline(session):
        with connect() as connection, connection.pipeline():
            cursors = [connection.execute(
                f"INSERT INTO {relation} (session_id, user_message) VALUES (%s, %s) RETURNING id",
                [session, f"pizza {number}"]) for number in range(20)]
            ids = [cursor.fetchone()[0] for cursor in cursors]
        return len(ids), ids[-1]
    attempt(f"{relation}: pipeline", pipeline)

    def rollback(session):
        with connect() as connection:
            connection.execute(f"INSERT INTO {relation} (session_id, user_message) VALUES (%s, 'veg')", [session])
            connection.rollback()
        return 0, None
    attempt(f"{relation}: rollback", rollback)

    def read_again(session):
        """Reads its row after the commit: rows says what is stored then."""
        insert(session, {}, relation=relation)
        with connect() as connection:
            return connection.execute(f"SELECT id FROM {relation} WHERE session_id = %s", [session]).fetchone()
    attempt(f"{relation}: SELECT afterwards", read_again)

    def update(session):
        new_id = insert(session, {}, relation=relation)[1]
        with connect() as connection:
            connection.execute(f"UPDATE {relation} SET response_text = 'yes' WHERE id = %s", [new_id])
        return 1, new_id
    attempt(f"{relation}: UPDATE with the response", update)

    def upsert(session):
        with connect() as connection:
            return 1, connection.execute(
                f"INSERT INTO {relation} (session_id, user_message) VALUES (%s, 'veg') "
                "ON CONFLICT (id) DO UPDATE SET user_message = excluded.user_message RETURNING id",
                [session]).fetchone()[0]
    attempt(f"{relation}: ON CONFLICT (id) DO UPDATE", upsert)

    def nothing(session):
        with connect() as connection:
            return 1, connection.execute(f"INSERT INTO {relation} (session_id, user_message) VALUES (%s, 'veg') "
                                         "ON CONFLICT DO NOTHING RETURNING id", [session]).fetchone()[0]
    attempt(f"{relation}: ON CONFLICT DO NOTHING", nothing)

    def two(session, **options):
        """Two connections by turns, often enough that each prepares its statement."""
        with connect() as connection:                            # what others left prepared in a pool's connection
            connection.execute("DEALLOCATE ALL")
        with psycopg.connect(URL, autocommit=True, **options) as one, \
                psycopg.connect(URL, autocommit=True, **options) as other:
            for number in range(10):
                for connection in (one, other):
                    new_id = connection.execute(
                        f"INSERT INTO {relation} (session_id, user_message) VALUES (%s, %s) RETURNING id",
                        [session, f"pizza {number}"]).fetchone()[0]
        return 20, new_id
    attempt(f"{relation}: two connections", two)
    attempt(f"{relation}: two connections, prepare_threshold=None",
            lambda session: two(session, prepare_threshold=None))


def functions(session):
    """Feedback and response, and what the functions return."""
    new_id = insert(session, {})[1]
    with connect() as connection:
        one = connection.execute("SELECT record_response(%s, %s, 'yes', %s)", [new_id, session, True]).fetchone()[0]
        two = connection.execute("SELECT record_feedback(%s, %s, 'negative')", [new_id, session]).fetchone()[0]
    assert one == two == new_id, f"the functions returned {one!r} and {two!r}, not {new_id}"
    return 1, new_id


def sequence(session):
    """The number of the row as PDO and others ask for it."""
    with connect() as connection:
        connection.execute("INSERT INTO conversation_logs (session_id, user_message) VALUES (%s, 'veg')", [session])
        return 1, connection.execute("SELECT currval('conversation_logs_id_seq')").fetchone()[0]


for name in RELATIONS:
    on_relation(name)
attempt("record_response() and record_feedback()", functions,
        {"response_text": "yes", "response_success": True, "user_feedback": "negative"})
attempt("currval of the sequence", sequence)
