"""Settings of the Django programs here: those of a project that uses one database, from the variables PG*."""
import os

import django
from django.conf import settings

DATABASE = {
    "ENGINE": "django.db.backends.postgresql",
    "HOST": os.environ["PGHOST"], "PORT": os.environ["PGPORT"], "NAME": os.environ["PGDATABASE"],
    "USER": os.environ["PGUSER"], "PASSWORD": os.environ["PGPASSWORD"],
    # A pool in transaction mode keeps no cursor between transactions.
    "DISABLE_SERVER_SIDE_CURSORS": True,
}


def start(**databases):
    settings.configure(DATABASES={"default": DATABASE, **databases}, USE_TZ=True, TIME_ZONE="Asia/Kolkata",
                       DEFAULT_AUTO_FIELD="django.db.models.BigAutoField")
    django.setup()
