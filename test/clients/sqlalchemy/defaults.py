"""What a developer writes first with SQLAlchemy 2.1, on psycopg and on asyncpg."""
import asyncio
import datetime
import json
import os
import sys
from typing import Any
from uuid import uuid4

from sqlalchemy import (BigInteger, Column, DateTime, Double, MetaData, Table, Text, create_engine, func, insert,
                        inspect, select, text, update)
from sqlalchemy.dialects.postgresql import JSONB, insert as postgresql_insert
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, registry

sys.path.insert(1, os.path.join(os.path.dirname(__file__), ".."))
from report import POOLED, RELATIONS, attempt, attempt_async             # noqa: E402

URL = os.environ["DATABASE_URL"]
SCHEMA = os.environ.get("TW_SCHEMA")
NOW = datetime.datetime(2026, 3, 1, 12, 30)
KOLKATA = datetime.timezone(datetime.timedelta(hours=5, minutes=30))
LIST = [{"dish": "pizza"}]
engine = create_engine(URL, connect_args={"prepare_threshold": None} if POOLED else {})


def model_of(relation, server_default):
    """The model as one writes it; what has a server_default is asked for in RETURNING."""
    class Base(DeclarativeBase):
        metadata = MetaData(schema=SCHEMA)

    class Conversation(Base):
        __tablename__ = relation
        id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
        session_id: Mapped[str] = mapped_column(Text)
        user_message: Mapped[str] = mapped_column(Text)
        nlu_intent: Mapped[str | None] = mapped_column(Text)
        nlu_confidence: Mapped[float | None]
        nlu_provider: Mapped[str | None] = mapped_column(Text)
        nlu_processing_time_ms: Mapped[float | None]
        nlu_entities: Mapped[Any] = mapped_column(JSONB, nullable=True)
        response_text: Mapped[str | None] = mapped_column(Text)
        response_success: Mapped[bool | None]
        created_at: Mapped[datetime.datetime | None] = mapped_column(
            DateTime(timezone=True), server_default=func.now() if server_default else None)
    return Conversation


def try_one(relation, model):
    def added(name, use=lambda db, row: row.id, session_options=None, sent=None, **values):
        def run(session):
            with Session(engine, **(session_options or {})) as db:
                row = model(session_id=session, user_message="veg pizza", **values)
                db.add(row)
                db.commit()
                return 1, use(db, row)
        attempt(f"{relation}: {name}", run, sent)

    keep = {"expire_on_commit": False}
    added("add(), commit()", use=lambda db, row: None)
    added("add(), commit(), c.id")
    added("add(), commit(), c.id with expire_on_commit=False", session_options=keep)
    added("add(), commit(), c.created_at with expire_on_commit=False", session_options=keep,
          use=lambda db, row: row.created_at and row.id)
    added("add(), commit(), refresh()", use=lambda db, row: db.refresh(row) or row.id)

    def value(name, sent=None, **values):
        added(name, session_options=keep, sent=values if sent is None else sent, **values)

    value("a fraction of a millisecond", nlu_processing_time_ms=12.7)
    value("entities as a list", nlu_entities=LIST)
    value("entities as a dict", nlu_entities=LIST[0])
    value("entities as JSON text", {"nlu_entities": LIST}, nlu_entities=json.dumps(LIST))
    value("entities None", nlu_entities=None)
    value("response_success False", response_success=False)
    value("created_at without a zone", {"created_at": "2026-03-01 12:30"}, created_at=NOW)
    value("created_at with a zone", {"created_at": "2026-03-01T07:00:00Z"}, created_at=NOW.replace(tzinfo=KOLKATA))
    value("an explicit id", id=4711)

    def flush_first(session):
        with Session(engine) as db:
            row = model(session_id=session, user_message="veg pizza")
            db.add(row)
            db.flush()
            new_id = row.id
            db.commit()
        return 1, new_id
    attempt(f"{relation}: flush(), c.id, commit()", flush_first)

    def save_the_response(session, **options):
        with Session(engine, **options) as db:
            row = model(session_id=session, user_message="veg pizza")
            db.add(row)
            db.commit()
            row.response_text = "yes"
            db.commit()
            return 1, row.id
    attempt(f"{relation}: c.response_text = ... and a second commit()", save_the_response)
    attempt(f"{relation}: c.response_text = ..., a second commit(), expire_on_commit=False",
            lambda session: save_the_response(session, expire_on_commit=False))

    def merge(session, **values):
        with Session(engine, expire_on_commit=False) as db:
            row = db.merge(model(session_id=session, user_message="veg pizza", **values))
            db.commit()
            return 1, row.id
    attempt(f"{relation}: merge() without an id", merge)
    attempt(f"{relation}: merge() with an id", lambda session: merge(session, id=4712))

    def rollback(session):
        with Session(engine) as db:
            db.add(model(session_id=session, user_message="veg pizza"))
            db.flush()
            db.rollback()
        return 0, None
    attempt(f"{relation}: rollback()", rollback)

    def get(session):
        with Session(engine) as db:
            row = model(session_id=session, user_message="veg pizza")
            db.add(row)
            db.flush()
            new_id = row.id
            db.commit()
            return 1, db.get(model, new_id).id
    attempt(f"{relation}: get(id) afterwards", get)

    def query(session):
        with Session(engine) as db:
            db.add(model(session_id=session, user_message="veg pizza"))
            db.commit()
            return 1, db.scalars(select(model).where(model.session_id == session)).one().id
    attempt(f"{relation}: select(C) afterwards", query)


def try_many(relation, model):
    def values(session):
        return [{"session_id": session, "user_message": f"pizza {number}"} for number in range(20)]

    def add_all(session):
        with Session(engine, expire_on_commit=False) as db:
            rows = [model(**row) for row in values(session)]
            db.add_all(rows)
            db.commit()
            return len(rows), rows[-1].id
    attempt(f"{relation}: add_all()", add_all)

    def bulk_save(session):
        with Session(engine) as db:
            db.bulk_save_objects([model(**row) for row in values(session)])
            db.commit()
        return 20, None
    attempt(f"{relation}: bulk_save_objects()", bulk_save)

    def bulk_insert(session):
        with Session(engine) as db:
            db.execute(insert(model), values(session))
            db.commit()
        return 20, None
    attempt(f"{relation}: execute(insert(C), [...])", bulk_insert)

    def bulk_returning(session, *what):
        with Session(engine, expire_on_commit=False) as db:
            found = db.scalars(insert(model).returning(*what), values(session)).all()
            db.commit()
        return len(found), getattr(found[-1], "id", found[-1])
    attempt(f"{relation}: scalars(insert(C).returning(C), [...])", lambda session: bulk_returning(session, model))
    attempt(f"{relation}: scalars(insert(C).returning(C.id), [...])",
            lambda session: bulk_returning(session, model.id))

    def bulk_update(session):
        with Session(engine) as db:
            db.add(model(session_id=session, user_message="veg pizza"))
            db.commit()
            db.execute(update(model).where(model.session_id == session).values(response_text="yes"))
            db.commit()
        return 1, None
    attempt(f"{relation}: execute(update(C)) with the response", bulk_update)


def try_core(relation):
    table = Table(relation, MetaData(schema=SCHEMA), Column("id", BigInteger, primary_key=True),
                  Column("session_id", Text), Column("user_message", Text), Column("nlu_confidence", Double),
                  Column("nlu_entities", JSONB), Column("created_at", DateTime(timezone=True)))

    def core(name, statement=insert(table), read=lambda result: result.inserted_primary_key.id):
        def run(session):
            with engine.begin() as connection:
                result = connection.execute(statement.values(session_id=session, user_message="veg", nlu_entities=[1]))
                return 1, read(result)
        attempt(f"{relation}: Core {name}", run)

    core("insert().inserted_primary_key")
    core("insert().returning(id)", insert(table).returning(table.c.id), lambda result: result.scalar_one())
    core("insert().returning(table)", insert(table).returning(table), lambda result: result.one().id)
    core("insert().on_conflict_do_nothing()", postgresql_insert(table).on_conflict_do_nothing())
    core("insert().on_conflict_do_update()", postgresql_insert(table).on_conflict_do_update(
        index_elements=["id"], set_={"user_message": "veg"}).returning(table.c.id), lambda result: result.scalar_one())

    def reflected(session, *columns):
        """A model that SQLAlchemy makes of the catalog, as sqlacodegen does."""
        found = Table(relation, MetaData(schema=SCHEMA), *columns, autoload_with=engine)
        assert "id" in {column["name"] for column in inspect(engine).get_columns(relation, schema=SCHEMA)}

        class Conversation:
            pass
        # A view has no primary key that could be reflected.
        registry().map_imperatively(Conversation, found, primary_key=[found.c.id])
        with Session(engine, expire_on_commit=False) as db:
            row = Conversation()
            row.session_id, row.user_message = session, "veg pizza"
            db.add(row)
            db.commit()
            return 1, row.id
    attempt(f"{relation}: a reflected table, add(), commit()", reflected)
    attempt(f"{relation}: a reflected table with its primary key, add(), commit()",
            lambda session: reflected(session, Column("id", BigInteger, primary_key=True)))

    def two(session, **options):
        """Two engines by turns, often enough that the driver prepares its statements."""
        with engine.begin() as connection:                       # what others left prepared in a pool's connection
            connection.execute(text("DEALLOCATE ALL"))
        engines = [create_engine(URL, **options) for _ in range(2)]
        try:
            for _ in range(10):
                for each in engines:
                    with each.begin() as connection:
                        new_id = connection.execute(insert(table).values(
                            session_id=session, user_message="veg")).inserted_primary_key.id
        finally:
            for each in engines:
                each.dispose()
        return 20, new_id
    attempt(f"{relation}: two connections", two)
    attempt(f"{relation}: two connections, prepare_threshold=None",
            lambda session: two(session, connect_args={"prepare_threshold": None}))


async def try_async(relation, model):
    url = URL.replace("postgresql:", "postgresql+asyncpg:", 1)
    # What SQLAlchemy documents for a pool in transaction mode: no caches, and names that no other process has.
    pooled = {"statement_cache_size": 0, "prepared_statement_cache_size": 0,
              "prepared_statement_name_func": lambda: f"__asyncpg_{uuid4()}__"}

    async def add(session, use=None, connect_args=None, **options):
        async_engine = create_async_engine(url, connect_args=connect_args or (pooled if POOLED else {}))
        try:
            async with AsyncSession(async_engine, **options) as db:
                row = model(session_id=session, user_message="veg pizza", nlu_entities=[{"dish": "pizza"}],
                            nlu_processing_time_ms=12.7, response_success=False)
                db.add(row)
                await db.commit()
                if use:
                    await use(db, row)
                return 1, row.id
        finally:
            await async_engine.dispose()
    await attempt_async(f"{relation}: asyncpg, add(), commit(), c.id", add)
    await attempt_async(f"{relation}: asyncpg, add(), commit(), c.id with expire_on_commit=False",
                        lambda session: add(session, expire_on_commit=False))
    await attempt_async(f"{relation}: asyncpg, add(), commit(), refresh()",
                        lambda session: add(session, use=lambda db, row: db.refresh(row)))
    await attempt_async(f"{relation}: asyncpg without caches, with names of its own",
                        lambda session: add(session, expire_on_commit=False, connect_args=pooled))


def functions(session):
    model = model_of("conversation_logs", server_default=False)
    with Session(engine) as db:
        row = model(session_id=session, user_message="veg pizza")
        db.add(row)
        db.flush()
        new_id = row.id
        values = {"id": new_id, "session": session}
        one = db.scalar(text("SELECT record_response(:id, :session, 'yes', true)"), values)
        two = db.scalar(select(func.record_feedback(new_id, session, "negative")))
        db.commit()
    assert one == two == new_id, f"the functions returned {one!r} and {two!r}, not {new_id}"
    return 1, new_id


def with_server_default(session):
    with Session(engine, expire_on_commit=False) as db:
        row = model_of("conversation_logs", server_default=True)(session_id=session, user_message="veg pizza")
        db.add(row)
        db.commit()
        return 1, row.id


attempt("conversation_logs: a model with a server_default, add(), commit()", with_server_default)
for name in RELATIONS:
    mapped = model_of(name, server_default=name == "conversation_capture")
    try_one(name, mapped)
    try_many(name, mapped)
    try_core(name)
    asyncio.run(try_async(name, mapped))
attempt("record_response() and record_feedback()", functions,
        {"response_text": "yes", "response_success": True, "user_feedback": "negative"})
