# training_workflow: a PostgreSQL extension. "make demo" and "make check" need nothing but Debian; see README.md.

EXTENSION = training_workflow
EXTVERSION := $(shell sed -n "s/^default_version *= *'\(.*\)'/\1/p" $(EXTENSION).control)

MODULE_big = $(EXTENSION)
OBJS = $(patsubst %.c,%.o,$(sort $(wildcard src/*.c src/*/*.c)))

# The install script, in the order in which its parts need each other.
SQL_PARTS = \
	src/common/header.sql \
	src/common/table_triggers.sql \
	src/common/settings.sql \
	src/jobs/job_runs.sql \
	src/capture/conversation_logs.sql \
	src/capture/training_samples.sql \
	src/capture/review_policies.sql \
	src/capture/filter.sql \
	src/capture/triggers.sql \
	src/model/model_versions.sql \
	src/rollout/model_deployments.sql \
	src/export/training_export_jobs.sql \
	src/remote/labelstudio_projects.sql \
	src/report/training_queue.sql \
	src/report/daily_training_stats.sql \
	src/report/model_performance_comparison.sql \
	src/governance/integrity.sql \
	src/governance/roles.sql \
	src/governance/drop_guard.sql

DATA_built = $(EXTENSION)--$(EXTVERSION).sql
EXTRA_CLEAN = build

PG_CPPFLAGS = -I$(srcdir)/src -DTW_VERSION='"$(EXTVERSION)"'
PG_CFLAGS = -Wall -Wextra -Wno-unused-parameter -Wno-missing-field-initializers

PG_CONFIG ?= pg_config
PGXS := $(shell $(PG_CONFIG) --pgxs)
include $(PGXS)

$(DATA_built): $(SQL_PARTS) $(EXTENSION).control Makefile
	cat $(SQL_PARTS) > $@

$(OBJS): $(wildcard src/*/*.h)
