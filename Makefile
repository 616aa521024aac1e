# training_workflow: a PostgreSQL extension. "make demo" and "make check" need nothing but Debian; see README.md.

PG_CONFIG ?= $(if $(PG_MAJOR),/usr/lib/postgresql/$(PG_MAJOR)/bin/pg_config,pg_config)
BUILD := $(CURDIR)/build
TOOLS := $(CURDIR)/test/tools

# Goals that work on a bare machine, before there is a PGXS to include; PGXS has a "check" of its own, which only complains.
OUTSIDE_PGXS := packages private-install demo demo-stop fleet fleet-stop check check-majors check-assert check-sanitize \
	check-crash check-fuzz check-real check-clients bench doc format typedefs deb
ifneq ($(filter $(OUTSIDE_PGXS),$(MAKECMDGOALS)),)

.NOTPARALLEL:
.PHONY: $(OUTSIDE_PGXS) $(MAKECMDGOALS)
INNER = $(MAKE) --no-print-directory

# A pg_config that was named on purpose belongs to an installation that is somebody's own.
packages:
	$(if $(filter command environment,$(origin PG_CONFIG)),,@bash $(TOOLS)/packages.sh $(EXTRA_PACKAGES))

# The worked example of a trainer outside, what the router is measured beside, what looks at PL/pgSQL functions, and the formatter.
check: EXTRA_PACKAGES = clang unzip fasttext postgresql-MAJOR-plpgsql-check maybe:pg-bsd-indent
format: EXTRA_PACKAGES = pg-bsd-indent
check-majors: EXTRA_PACKAGES = debootstrap $(if $(shell python3 -m pip --version 2>/dev/null),,python3-pip)
check-fuzz: EXTRA_PACKAGES = maybe:sqlsmith
check-sanitize: EXTRA_PACKAGES = valgrind
check-real: EXTRA_PACKAGES = python3-venv fasttext chromium $(if $(shell command -v npm),,npm) \
	$(if $(shell command -v java),,default-jre-headless) $(if $(shell command -v go),,golang-go)
check-clients: EXTRA_PACKAGES = $(if $(shell command -v npm),,npm) python3-venv php-cli php-pgsql pgbouncer \
	$(if $(shell command -v javac),,default-jdk-headless) libpostgresql-jdbc-java maybe:php-illuminate-database
bench: EXTRA_PACKAGES = fasttext liblinear-tools $(if $(filter capture,$(PARTS)),pgbouncer)
deb: EXTRA_PACKAGES = git build-essential debhelper lintian postgresql-all

# Nothing goes into /usr: the extension is installed into a private copy of PostgreSQL below build/.
private-install: packages
	@bash $(TOOLS)/private-tree.sh $(BUILD) $(PG_CONFIG)
	@$(INNER) -s all PG_CONFIG=$(PG_CONFIG)
	@$(INNER) -s install DESTDIR=$(BUILD)/pg PG_CONFIG=$(PG_CONFIG)

demo: private-install
	@bash $(TOOLS)/cluster.sh start $(BUILD) >/dev/null
	@bash test/demo/run.sh $(BUILD)

demo-stop:
	@bash $(TOOLS)/cluster.sh stop $(BUILD)

# A hub and two nodes on this machine, and the same conversations over both.
fleet: private-install
	@bash $(TOOLS)/fleet.sh start $(BUILD)
	@bash test/demo/fleet.sh $(BUILD)

fleet-stop:
	@bash $(TOOLS)/fleet.sh stop $(BUILD)

check: private-install
	@bash $(TOOLS)/check.sh $(BUILD) $(PG_CONFIG)

# The same with servers of other major versions, which it fetches into build/.
check-majors: packages
	@bash $(TOOLS)/majors.sh $(BUILD)

# Random statements, imports, artifacts, replies and exports, ten minutes each.
check-fuzz: private-install
	@bash $(TOOLS)/fuzz.sh $(BUILD)

# With a server that has assertions on: SERVER=/path/to/pg_config, SECONDS=600 of capture by eight clients.
check-assert: packages
	@$(if $(SECONDS),SECONDS_OF_LOAD=$(SECONDS) )bash $(TOOLS)/assert.sh $(BUILD)

# Inside a server under address and undefined-behaviour sanitizers, and under valgrind.
check-sanitize: packages
	@bash test/sanitize/check.sh $(BUILD) $(PG_CONFIG)

# Against a real Label Studio and a real MinIO, and the tools that exports are for; installs them below build/.
check-real: private-install
	@bash test/real/check.sh $(BUILD) $(PG_CONFIG)

# Real clients of PostgreSQL, each with its natural defaults, as a role that may only capture; CLIENTS="pg prisma" chooses.
check-clients: private-install
	@bash test/clients/check.sh $(BUILD) $(PG_CONFIG)

# kill -9, a thousand times, and other ends that come at once; half an hour. KILLS=50 kills less often.
check-crash: private-install
	@bash test/crash/check.sh $(BUILD) $(PG_CONFIG)

bench: private-install
	@bash $(TOOLS)/bench.sh $(BUILD)

# The C code in the format that "make check" holds it to; and the types of others that it names, when there is a new one.
format: packages
	@perl $(TOOLS)/format.pl --apply .

typedefs: packages
	@PG_CONFIG=$(PG_CONFIG) perl $(TOOLS)/format.pl --typedefs .

# Writes the reference in doc/ anew, from the COMMENTs in the catalog; "make check" compares it.
doc: private-install
	@bash $(TOOLS)/doc.sh $(BUILD)

# Debian packages in build/deb, one for each major version of PostgreSQL.
deb: packages
	@bash packaging/build-deb.sh $(BUILD)

# Goals of PGXS beside these, as in "make clean check".
$(filter-out $(OUTSIDE_PGXS),$(MAKECMDGOALS)):
	@$(INNER) $@

else

EXTENSION = training_workflow
EXTVERSION := $(shell sed -n "s/^default_version *= *'\(.*\)'/\1/p" $(EXTENSION).control)

MODULE_big = $(EXTENSION)
# Whatever needs libcurl is a library of its own: loading that takes 6 ms and more, and most sessions do without.
REMOTE = $(EXTENSION)_remote
REMOTE_OBJS = $(patsubst %.c,%.o,$(sort $(wildcard src/http/*.c src/s3/*.c src/labelstudio/*.c)))
OBJS = $(filter-out $(REMOTE_OBJS),$(patsubst %.c,%.o,$(sort $(wildcard src/*.c src/*/*.c))))

# The install script: the folders in the order of src/LAYERS, and within each the order in which its parts need each other.
SQL_PARTS = \
	src/header.sql \
	src/base/table_triggers.sql \
	src/base/excerpt.sql \
	src/base/time_argument.sql \
	src/base/wilson.sql \
	src/base/chi_square.sql \
	src/base/progress.sql \
	src/rules/statuses.sql \
	src/rules/conversations.sql \
	src/rules/module_limits.sql \
	src/rules/task_states.sql \
	src/rules/locks.sql \
	src/rules/settings.sql \
	src/rules/fleet.sql \
	src/rules/id_parts.sql \
	src/rules/normalize.sql \
	src/rules/intent_names.sql \
	src/tables/job_runs.sql \
	src/tables/labelstudio_projects.sql \
	src/tables/labelstudio_tasks.sql \
	src/tables/conversation_logs.sql \
	src/tables/daily_statistics.sql \
	src/tables/training_samples.sql \
	src/tables/review_policies.sql \
	src/tables/intent_aliases.sql \
	src/tables/audited_versions.sql \
	src/tables/review_events.sql \
	src/tables/review_claims.sql \
	src/tables/blind_reviews.sql \
	src/tables/second_opinions.sql \
	src/tables/imported_conversations.sql \
	src/tables/imported_tables.sql \
	src/tables/sample_imports.sql \
	src/tables/model_versions.sql \
	src/tables/model_artifacts.sql \
	src/tables/model_evaluations.sql \
	src/tables/training_jobs.sql \
	src/tables/paired_evaluations.sql \
	src/tables/model_deployments.sql \
	src/tables/rollouts.sql \
	src/tables/training_export_jobs.sql \
	src/tables/audit_chain.sql \
	src/tables/role_modules.sql \
	src/tables/erasures.sql \
	src/tables/erasure_receipts.sql \
	src/tables/fleet.sql \
	src/privacy/redact.sql \
	src/privacy/sample_text.sql \
	src/privacy/long_text.sql \
	src/runs/jobs.sql \
	src/runs/running.sql \
	src/runs/due.sql \
	src/runs/installation.sql \
	src/runs/loop.sql \
	src/audit/audit_trail.sql \
	src/audit/verify_audit.sql \
	src/audit/seal_audit.sql \
	src/http/endpoints.sql \
	src/s3/s3.sql \
	src/capture/filter.sql \
	src/capture/policy_triggers.sql \
	src/capture/triggers.sql \
	src/capture/conversation_capture.sql \
	src/capture/raised_audit.sql \
	src/capture/closed_days.sql \
	src/review/reviewers.sql \
	src/review/standing_rollback.sql \
	src/review/blind_reviews.sql \
	src/review/verdicts.sql \
	src/review/withdraw.sql \
	src/review/sample_verdicts.sql \
	src/review/judge_sample.sql \
	src/review/withdraw_sample.sql \
	src/review/claims.sql \
	src/review/second_opinions.sql \
	src/review/sample_claims.sql \
	src/review/rename_intents.sql \
	src/review/feedback.sql \
	src/review/label_conflicts.sql \
	src/review/queue_conflicts.sql \
	src/review/accuracy_strata.sql \
	src/review/audit_problems.sql \
	src/review/live_accuracy.sql \
	src/review/reviewer_agreement.sql \
	src/samples/near_twins.sql \
	src/samples/model_text.sql \
	src/samples/splits.sql \
	src/samples/training_set.sql \
	src/samples/audit_budget.sql \
	src/exchange/entity_spans.sql \
	src/exchange/import_changes.sql \
	src/exchange/import_samples.sql \
	src/exchange/import_portion.sql \
	src/exchange/import_conversations.sql \
	src/exchange/close_old_table.sql \
	src/exchange/export_samples.sql \
	src/exchange/export_to_file.sql \
	src/exchange/export_to_s3.sql \
	src/model/classify.sql \
	src/model/scores.sql \
	src/model/stored_artifacts.sql \
	src/model/going_live.sql \
	src/model/registry.sql \
	src/model/paired_evidence.sql \
	src/model/gate.sql \
	src/model/paired_scoring.sql \
	src/model/train.sql \
	src/model/job_queue.sql \
	src/model/workers.sql \
	src/model/handed_in.sql \
	src/model/artifact_store.sql \
	src/model/s3_check.sql \
	src/model/built_in.sql \
	src/labelstudio/labelstudio_request.sql \
	src/labelstudio/labelstudio_call.sql \
	src/labelstudio/labelstudio_spans.sql \
	src/labelstudio/labelstudio_screen.sql \
	src/labelstudio/labelstudio_payload.sql \
	src/labelstudio/labelstudio_push.sql \
	src/labelstudio/labelstudio_opinions.sql \
	src/labelstudio/labelstudio_verdict.sql \
	src/labelstudio/labelstudio_pull.sql \
	src/labelstudio/labelstudio_compare.sql \
	src/labelstudio/labelstudio_erasures.sql \
	src/labelstudio/labelstudio_sync.sql \
	src/labelstudio/labelstudio_create.sql \
	src/labelstudio/labelstudio_check.sql \
	src/rollout/assign.sql \
	src/rollout/sequential_comparison.sql \
	src/rollout/sample_ratio.sql \
	src/rollout/live_model_at.sql \
	src/rollout/rollout_steps.sql \
	src/rollout/taken_back_samples.sql \
	src/rollout/rollout_changes.sql \
	src/rollout/rollback.sql \
	src/rollout/rollout_look.sql \
	src/rollout/production_figures.sql \
	src/rollout/rollout_verdict.sql \
	src/rollout/waiting_rollouts.sql \
	src/rollout/check_rollouts.sql \
	src/erasure/erasure_models.sql \
	src/erasure/erasure_exports.sql \
	src/erasure/find_person.sql \
	src/erasure/erase_rows.sql \
	src/erasure/anonymise_rows.sql \
	src/erasure/receipts.sql \
	src/erasure/forget_user.sql \
	src/erasure/person_tables.sql \
	src/erasure/export_user.sql \
	src/erasure/retention.sql \
	src/erasure/purge.sql \
	src/fleet/arrivals.sql \
	src/fleet/hub_tables.sql \
	src/fleet/peer.sql \
	src/fleet/set_fleet_node.sql \
	src/fleet/publish.sql \
	src/fleet/subscribe.sql \
	src/fleet/leave.sql \
	src/fleet/sweep_fleet.sql \
	src/fleet/fleet_status.sql \
	src/schedule/schedule.sql \
	src/schedule/job_health.sql \
	src/report/html.sql \
	src/report/svg.sql \
	src/report/charts.sql \
	src/report/page.sql \
	src/report/training_queue.sql \
	src/report/daily_training_stats.sql \
	src/report/model_performance_comparison.sql \
	src/report/rollout_status.sql \
	src/report/review_backlog.sql \
	src/report/intents.sql \
	src/report/second_opinion_backlog.sql \
	src/report/explain_conversation.sql \
	src/report/answers.sql \
	src/report/intent_quality.sql \
	src/report/intent_confusions.sql \
	src/report/confidence_calibration.sql \
	src/report/intent_drift.sql \
	src/report/next_steps.sql \
	src/report/training_workflow_status.sql \
	src/report/measured_steps.sql \
	src/report/report_steps.sql \
	src/report/report_intents.sql \
	src/report/report_models.sql \
	src/report/report_conversations.sql \
	src/report/report_accuracy.sql \
	src/report/report_reviews.sql \
	src/report/training_report.sql \
	src/report/training_metrics.sql \
	src/report/training_progress.sql \
	src/report/publish_report.sql \
	src/jobs/daily_training_capture.sql \
	src/jobs/weekly_model_training.sql \
	src/governance/role_modules.sql \
	src/governance/schema_problems.sql \
	src/governance/use_problems.sql \
	src/governance/sample_problems.sql \
	src/governance/fleet_problems.sql \
	src/governance/integrity.sql \
	src/governance/roles.sql \
	src/governance/drop_guard.sql \
	src/governance/name_guard.sql

# Beside the install script, the one that leads to it from the release before it: its steps are written by hand, the rest
# is made of the two install scripts. What was released lies in upgrade/ and never changes.
UPDATES = $(patsubst upgrade/%.sql,$(EXTENSION)--%.sql,$(filter-out upgrade/$(EXTENSION)--%,$(wildcard upgrade/*--$(EXTVERSION).sql)))
FRESH_SCRIPT = $(EXTENSION)--$(EXTVERSION).sql
DATA_built = $(FRESH_SCRIPT) $(UPDATES)
DATA = $(wildcard upgrade/$(EXTENSION)--*.sql)
DOCS = $(sort $(wildcard doc/*.md))

SHLIB_LINK += -ljansson -lyaml
EXTRA_CLEAN = $(REMOTE_OBJS) $(REMOTE)$(DLSUFFIX)

PG_CPPFLAGS = -I$(srcdir)/src -DTW_VERSION='"$(EXTVERSION)"'
# A function that no header declares would make a library that builds and cannot be loaded.
PG_CFLAGS = -Wall -Wextra -Wno-unused-parameter -Wno-missing-field-initializers -Werror=implicit-function-declaration

# "make installcheck" against a server that the extension is installed on; with REGRESS=filter or ISOLATION=policy_conflict that
# test and no other. Isolation and TAP tests have options of their own.
ifneq ($(origin ISOLATION),command line)
REGRESS = $(patsubst sql/%.sql,%,$(sort $(wildcard sql/*.sql)))
endif
ifneq ($(origin REGRESS),command line)
ISOLATION = $(patsubst test/specs/%.spec,%,$(sort $(wildcard test/specs/*.spec)))
endif
# Whatever the server's encoding and collation are, the tests have those that their results were made with.
REGRESS_OPTS = --encoding=UTF8 --no-locale
ISOLATION_OPTS = $(REGRESS_OPTS) --inputdir=$(srcdir)/test

PGXS := $(shell $(PG_CONFIG) --pgxs)
ifeq ($(wildcard $(PGXS)),)
$(error PostgreSQL's development files are missing: run "make packages")
endif
include $(PGXS)

# From 16 on, the expected results of isolation tests are not looked for beside their inputs.
ifneq ($(MAJORVERSION),15)
ISOLATION_OPTS += --expecteddir=$(srcdir)/test
endif

# Whatever has a table's name has a comment: so the header knows what the parts behind it will create.
$(FRESH_SCRIPT): $(SQL_PARTS) $(EXTENSION).control Makefile
	names=$$(sed -nE 's/^COMMENT ON (TABLE|VIEW|SEQUENCE) @extschema@\.([a-z_]+).*/\2/p' $(SQL_PARTS) | paste -sd, -) && \
		sed "s/@RELATIONS@/$$names/" $(SQL_PARTS) > $@

$(UPDATES): $(EXTENSION)--%--$(EXTVERSION).sql: upgrade/%--$(EXTVERSION).sql $(FRESH_SCRIPT) $(wildcard upgrade/*)
	perl upgrade/compose.pl $< upgrade/$(EXTENSION)--$*.sql $(FRESH_SCRIPT) > $@ || { rm -f $@; exit 1; }

$(OBJS) $(REMOTE_OBJS): $(wildcard src/*/*.h)

# PGXS builds one library. Bitcode is left out: nothing of this one would be worth inlining.
all: $(REMOTE)$(DLSUFFIX)
$(REMOTE)$(DLSUFFIX): $(REMOTE_OBJS)
	$(CC) $(CFLAGS) -shared -o $@ $(REMOTE_OBJS) $(LDFLAGS) $(LDFLAGS_SL) -lcurl -ljansson

.PHONY: install-remote uninstall-remote
install: install-remote
install-remote: $(REMOTE)$(DLSUFFIX) installdirs
	$(INSTALL_SHLIB) $(REMOTE)$(DLSUFFIX) '$(DESTDIR)$(pkglibdir)/'
uninstall: uninstall-remote
uninstall-remote:
	rm -f '$(DESTDIR)$(pkglibdir)/$(REMOTE)$(DLSUFFIX)'

# A fused multiply-add rounds otherwise: the same rows should make the same router, and the same verdict, on every processor.
$(patsubst %.c,%.o,$(wildcard src/samples/*.c src/model/*.c src/rollout/*.c)): override CFLAGS += -ffp-contract=off

# What check.sh has to know and only this file can say.
.PHONY: test-names
test-names:
	@echo "regress=\"$(REGRESS)\" isolation=\"$(ISOLATION)\" major=$(MAJORVERSION) pgxs_test=$(abspath $(dir $(PGXS))/../test)"

clean: clean-build
.PHONY: clean-build
clean-build:
	@test ! -x $(BUILD)/pg/bin/postgres || bash $(TOOLS)/cluster.sh stop $(BUILD)
	@test ! -x $(BUILD)/pg/bin/postgres || bash $(TOOLS)/fleet.sh stop $(BUILD)
	rm -rf $(BUILD)

# The archive for PGXN, of the commit that is checked out; .gitattributes says what it leaves out.
DIST_DIR ?= .
.PHONY: dist
dist:
	git archive --format zip -9 --prefix=$(EXTENSION)-$(EXTVERSION)/ -o '$(DIST_DIR)/$(EXTENSION)-$(EXTVERSION).zip' HEAD

endif
