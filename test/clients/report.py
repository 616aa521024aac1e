"""What the Python programs have in common: one line of JSON for each default that is tried; see check.sh.

A default is a function of its session. It returns how many rows it believes to have stored, and the id of one of them
(None where the client learns none).
"""
import json
import os

RELATIONS = ("conversation_capture", "conversation_logs")
# Through a pool in transaction mode the programs use the setting that the lines "two connections" are about.
POOLED = os.environ.get("TW_POOL") == "transaction"


def shown(error):
    """An error as the client shows it, with what the driver knows beside it; an ORM wraps the driver's own."""
    inner = getattr(error, "orig", None) or error.__cause__ or error
    inner = inner.__cause__ or inner
    diag = getattr(inner, "diag", None)
    parts = [getattr(inner, "sqlstate", None),
             getattr(diag, "message_primary", None) or getattr(inner, "message", None) or str(inner),
             getattr(diag, "message_detail", None) or getattr(inner, "detail", None),
             getattr(diag, "message_hint", None) or getattr(inner, "hint", None)]
    return f"{type(error).__name__}: " + " | ".join(str(part).strip() for part in parts if part)


def show(default, sent, rows=0, new_id=None, error=None):
    print(json.dumps({"default": default, "session": default, "rows": rows, "id": new_id, "error": error,
                      "sent": sent or {}}), flush=True)


def attempt(default, function, sent=None):
    try:
        rows, new_id = function(default)
    except Exception as error:                                  # whatever a client raises is its outcome
        show(default, sent, error=shown(error))
    else:
        show(default, sent, rows, new_id)


async def attempt_async(default, function, sent=None):
    try:
        rows, new_id = await function(default)
    except Exception as error:
        show(default, sent, error=shown(error))
    else:
        show(default, sent, rows, new_id)
