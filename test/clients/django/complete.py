"""A chatbot that captures with Django 5.2. The role's search_path begins with the extension's schema."""
import os
import sys

sys.path.insert(0, os.path.dirname(__file__))
import settings                                                  # noqa: E402

settings.start()
from django.db import connection, models, transaction            # noqa: E402


class Conversation(models.Model):
    id = models.BigAutoField(primary_key=True)
    session_id = models.TextField()
    user_message = models.TextField()
    nlu_intent = models.TextField(null=True)
    nlu_confidence = models.FloatField(null=True)
    nlu_module_type = models.TextField(null=True)
    nlu_provider = models.TextField(null=True)
    nlu_model_version = models.TextField(null=True)
    nlu_processing_time_ms = models.FloatField(null=True)
    nlu_entities = models.JSONField(null=True)                   # takes lists and dicts

    class Meta:
        app_label = "chat"
        managed = False                                          # no migration touches it
        db_table = "conversation_capture"                        # written, never read or updated


def select(query, values):
    with connection.cursor() as cursor:
        cursor.execute(query, values)
        return cursor.fetchone()


def answer(session, text):
    """Captures one message; returns the conversation's id and the reply."""
    version, = select("SELECT assign_model_version('router', %s)", [session])
    intent, confidence, module = select(
        "SELECT intent, confidence, module_type FROM classify_intent(%s, 'router', %s)", [text, version])
    # All is NULL while no model is live: the message is captured all the same, and a person labels it.
    conversation = Conversation.objects.create(
        session_id=session, user_message=text, nlu_intent=intent, nlu_confidence=confidence, nlu_module_type=module,
        nlu_provider="indicbert", nlu_model_version=version, nlu_entities=[{"dish": "pizza"}],
        nlu_processing_time_ms=12.7)
    reply = "12 places near you"                                 # your own code
    # Not conversation.save(): what comes later is added by record_response() and record_feedback().
    select("SELECT record_response(%s, %s, %s, %s, %s)", [conversation.id, session, reply, True, "opensearch"])
    return conversation.id, reply


def thumbs_down(new_id, session, correction=None):
    select("SELECT record_feedback(%s, %s, 'negative', %s)", [new_id, session, correction])


def many(messages):
    Conversation.objects.bulk_create(
        [Conversation(session_id=session, user_message=text, nlu_provider="llm", nlu_entities={"dish": "burger"})
         for session, text in messages], batch_size=1000)


def order(session, text, fail=False):
    """The conversation is stored if the order is: both commit or roll back together."""
    with transaction.atomic():
        new_id, _ = answer(session, text)
        with connection.cursor() as cursor:
            cursor.execute("INSERT INTO orders (conversation, note) VALUES (%s, 'pizza')", [new_id])
        if fail:
            raise ValueError("the kitchen is closed")
    return new_id


if __name__ == "__main__":
    sys.path.insert(1, os.path.join(os.path.dirname(__file__), ".."))
    from dialogue import run_complete
    run_complete(answer, thumbs_down, many, order)
