"""A chatbot that captures with SQLAlchemy 2.1 and psycopg. DATABASE_URL names the database."""
import os
import sys

from sqlalchemy import create_engine, insert, text
from sqlalchemy.orm import sessionmaker

sys.path.insert(0, os.path.dirname(__file__))
from models import Conversation                                  # noqa: E402

# A pool in transaction mode (pgbouncer before 1.21) needs prepare_threshold=None: no prepared statements.
engine = create_engine(os.environ["DATABASE_URL"],
                       connect_args={"prepare_threshold": None})
# expire_on_commit=False: a row that was captured is not read again, so it must not expire.
Session = sessionmaker(engine, expire_on_commit=False)


def capture(db, session, message):
    """Captures one message and its response in the transaction of db; returns the conversation."""
    version = db.scalar(text("SELECT assign_model_version('router', :session)"), {"session": session})
    nlu = db.execute(text("SELECT * FROM classify_intent(:message, 'router', :version)"),
                     {"message": message, "version": version}).one()
    # All is NULL while no model is live: the message is captured all the same, and a person labels it.
    conversation = Conversation(
        session_id=session, user_message=message, nlu_intent=nlu.intent, nlu_confidence=nlu.confidence,
        nlu_module_type=nlu.module_type, nlu_provider="indicbert", nlu_model_version=version,
        nlu_entities=[{"dish": "pizza"}], nlu_processing_time_ms=12.7)
    db.add(conversation)
    db.flush()                                                   # gives the id
    reply = "12 places near you"                                 # your own code
    db.execute(text("SELECT record_response(:id, :session, :reply, true, 'opensearch')"),
               {"id": conversation.id, "session": session, "reply": reply})
    return conversation, reply


def answer(session, message):
    with Session.begin() as db:
        conversation, reply = capture(db, session, message)
    return conversation.id, reply


def thumbs_down(new_id, session, correction=None):
    with Session.begin() as db:
        db.execute(text("SELECT record_feedback(:id, :session, 'negative', :correction)"),
                   {"id": new_id, "session": session, "correction": correction})


def many(messages):
    with Session.begin() as db:
        db.execute(insert(Conversation),
                   [{"session_id": session, "user_message": message, "nlu_provider": "llm",
                     "nlu_entities": {"dish": "burger"}} for session, message in messages])


def order(session, message, fail=False):
    """The conversation is stored if the order is: both commit or roll back together."""
    with Session.begin() as db:
        conversation, _ = capture(db, session, message)
        db.execute(text("INSERT INTO orders (conversation, note) VALUES (:id, 'pizza')"), {"id": conversation.id})
        if fail:
            raise ValueError("the kitchen is closed")
    return conversation.id


if __name__ == "__main__":
    sys.path.insert(1, os.path.join(os.path.dirname(__file__), ".."))
    from dialogue import run_complete
    run_complete(answer, thumbs_down, many, order)
