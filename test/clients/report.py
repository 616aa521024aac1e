"""What the Python programs of the defaults have in common: one line of JSON for each default that is tried.

A default is a function of its session; it returns how many rows it believes to have stored, and the id of one of them
(None where the client learns none). What it raises is shown as the client shows it, with SQLSTATE, detail and hint.
"""
import json

RELATIONS = ("conversation_logs", "conversation_capture")


def shown(error):
    """The message of an error, with what the driver knows beside it; an ORM wraps the driver's own exception."""
    inner = getattr(error, "orig", None) or error.__cause__ or error
    inner = getattr(inner, "__cause__", None) or inner
    diag = getattr(inner, "diag", None)
    parts = [getattr(inner, "sqlstate", None),
             getattr(diag, "message_primary", None) or getattr(inner, "message", None) or str(inner),
             getattr(diag, "message_detail", None) or getattr(inner, "detail", None),
             getattr(diag, "message_hint", None) or getattr(inner, "hint", None)]
    return f"{type(error).__name__}: " + " | ".join(str(part).strip() for part in parts if part)


def show(default, session, rows=0, new_id=None, error=None):
    print(json.dumps({"default": default, "session": session, "rows": rows, "id": new_id, "error": error}), flush=True)


def attempt(default, function, session=None):
    session = session or default
    try:
        rows, new_id = function(session)
    except Exception as error:                                  # whatever a client raises is its outcome
        show(default, session, error=shown(error))
    else:
        show(default, session, rows, new_id)


async def attempt_async(default, function, session=None):
    session = session or default
    try:
        rows, new_id = await function(session)
    except Exception as error:
        show(default, session, error=shown(error))
    else:
        show(default, session, rows, new_id)
