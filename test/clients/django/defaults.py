"""What a developer writes first with Django 5.2."""
import asyncio
import datetime
import io
import json
import os
import re
import sys
import warnings

sys.path.insert(0, os.path.dirname(__file__))
sys.path.insert(1, os.path.join(os.path.dirname(__file__), ".."))
import settings                                                  # noqa: E402
from report import RELATIONS, attempt                            # noqa: E402

settings.start(one=settings.DATABASE, other=settings.DATABASE)
from django.core.management import call_command                  # noqa: E402
from django.db import connection, connections, models, transaction   # noqa: E402
from django.db.models.functions import Now                       # noqa: E402

NOW = datetime.datetime(2026, 3, 1, 12, 30)
LIST = [{"dish": "pizza"}]
KOLKATA = datetime.timezone(datetime.timedelta(hours=5, minutes=30))
warnings.simplefilter("ignore")                                  # of a time without a zone


def model_of(relation, **created_at):
    meta = type("Meta", (), {"app_label": "chat", "managed": False, "db_table": relation})
    return type("C" + re.sub("[^a-z]", "", f"{relation}{sorted(created_at)}"), (models.Model,), {
        "__module__": __name__, "Meta": meta,
        "id": models.BigAutoField(primary_key=True),
        "session_id": models.TextField(),
        "user_message": models.TextField(),
        "message_type": models.TextField(null=True),
        "nlu_confidence": models.FloatField(null=True),
        "nlu_processing_time_ms": models.FloatField(null=True),
        "nlu_entities": models.JSONField(null=True),
        "response_text": models.TextField(null=True),
        "response_success": models.BooleanField(null=True),
        "created_at": models.DateTimeField(null=True, **created_at)})


def try_one(relation, model):
    def created(name, use=lambda row: row.id, sent=None, **values):
        def run(session):
            return 1, use(model.objects.create(session_id=session, user_message="veg pizza", **values))
        attempt(f"{relation}: {name}", run, values if sent is None else sent)

    created("objects.create()")
    created("a fraction of a millisecond", nlu_processing_time_ms=12.7)
    created("entities as a list", nlu_entities=LIST)
    created("entities as a dict", nlu_entities=LIST[0])
    created("entities as JSON text", sent={"nlu_entities": LIST}, nlu_entities=json.dumps(LIST))
    created("response_success False", response_success=False)
    created("created_at without a zone", sent={"created_at": "2026-03-01T07:00:00Z"}, created_at=NOW)
    created("created_at with a zone", sent={"created_at": "2026-03-01T07:00:00Z"},
            created_at=NOW.replace(tzinfo=KOLKATA))
    created("an explicit id", id=4711)
    created("create(), refresh_from_db()", lambda row: row.refresh_from_db() or row.id)

    def saved_twice(row, **options):
        row.response_text = "yes"
        row.save(**options)
        return row.id
    created("create(), response_text = ..., save()", saved_twice)
    created("create(), save(update_fields=...)", lambda row: saved_twice(row, update_fields=["response_text"]))
    created("create(), save(force_insert=True)", lambda row: saved_twice(row, force_insert=True))
    created("create(), delete()", lambda row: row.delete() and None)
    created("create(), filter(id).update()",
            lambda row: model.objects.filter(id=row.id).update(response_text="yes") and row.id)
    created("create(), objects.get(id)", lambda row: model.objects.get(id=row.id).id)

    def saved(session, **values):
        row = model(session_id=session, user_message="veg pizza", **values)
        row.save()
        return 1, row.id
    attempt(f"{relation}: C(...).save()", saved)
    attempt(f"{relation}: C(id=...).save()", lambda session: saved(session, id=4712))
    attempt(f"{relation}: get_or_create()", lambda session: (
        1, model.objects.get_or_create(session_id=session, defaults={"user_message": "veg pizza"})[0].id))
    attempt(f"{relation}: update_or_create()", lambda session: (
        1, model.objects.update_or_create(session_id=session, defaults={"user_message": "veg pizza"})[0].id))

    def rolled_back(session):
        with transaction.atomic():
            model.objects.create(session_id=session, user_message="veg pizza")
            transaction.set_rollback(True)
        return 0, None
    attempt(f"{relation}: atomic() that rolls back", rolled_back)

    async def acreate(session):
        return 1, (await model.objects.acreate(session_id=session, user_message="veg pizza")).id
    attempt(f"{relation}: acreate()", lambda session: asyncio.run(acreate(session)))

    def two(session):
        """Two connections by turns: Django prepares no statements by itself."""
        try:
            for _ in range(5):
                for name in ("one", "other"):
                    row = model.objects.using(name).create(session_id=session, user_message="veg pizza")
            return 10, row.id
        finally:
            connections["one"].close()
            connections["other"].close()
    attempt(f"{relation}: two connections", two)


def try_many(relation, model):
    def bulk(session, has_id=True, **options):
        rows = model.objects.bulk_create([model(session_id=session, user_message=f"pizza {number}")
                                          for number in range(20)], **options)
        return 20, rows[-1].id if has_id else None
    attempt(f"{relation}: bulk_create()", bulk)
    attempt(f"{relation}: bulk_create(batch_size=7)", lambda session: bulk(session, batch_size=7))
    attempt(f"{relation}: bulk_create(ignore_conflicts=True)",
            lambda session: bulk(session, has_id=False, ignore_conflicts=True))
    attempt(f"{relation}: bulk_create(update_conflicts=True)", lambda session: bulk(
        session, update_conflicts=True, unique_fields=["id"], update_fields=["user_message"]))


def inspected(relation):
    """The model that inspectdb writes; where it knows no primary key, the id is made one."""
    source = io.StringIO()
    call_command("inspectdb", relation, include_views=True, stdout=source)
    refused = re.search("The error was: (.*)", source.getvalue(), re.DOTALL)
    if refused:
        raise RuntimeError(refused.group(1).strip())
    text = re.sub("(?m)^(    class Meta:)$", r"\1\n        app_label = 'inspected'", source.getvalue())
    if "primary_key=True" not in text:
        text = re.sub(r"(?m)^    id = .*$", "    id = models.BigAutoField(primary_key=True)", text)
    names = {"__name__": __name__}
    exec(text, names)                                            # what a developer pastes into models.py
    return next(value for value in names.values() if isinstance(value, type) and issubclass(value, models.Model)
                and value is not models.Model)


def functions(session):
    new_id = LOGS.objects.create(session_id=session, user_message="veg pizza").id
    with connection.cursor() as cursor:
        cursor.execute("SELECT record_response(%s, %s, 'yes', %s)", [new_id, session, True])
        one = cursor.fetchone()[0]
        cursor.callproc("record_feedback", [new_id, session, "negative"])
        two = cursor.fetchone()[0]
    assert one == two == new_id, f"the functions returned {one!r} and {two!r}, not {new_id}"
    return 1, new_id


def create(model, session):
    row = model.objects.create(session_id=session, user_message="veg pizza")
    return 1, row.id


LOGS = model_of("conversation_logs")
for each, plain in ((each, LOGS if each == "conversation_logs" else model_of(each)) for each in RELATIONS):
    try_one(each, plain)
    try_many(each, plain)
    attempt(f"{each}: created_at with auto_now_add",
            lambda session: create(model_of(each, auto_now_add=True), session))
    attempt(f"{each}: created_at with db_default", lambda session: create(model_of(each, db_default=Now()), session))
    attempt(f"{each}: the model of inspectdb, create()", lambda session: create(inspected(each), session))
attempt("record_response() and record_feedback()", functions,
        {"response_text": "yes", "response_success": True, "user_feedback": "negative"})
