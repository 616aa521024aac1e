# shellcheck shell=bash
# cluster.sh - sourced by check.sh: the server that clients are tried against, its databases, and the pools before it.
# Uses bin, cluster, home, here and password of check.sh.

as_superuser() { # DATABASE, SQL on standard input
    "$bin/psql" -X -q -v ON_ERROR_STOP=1 -h "$cluster" -p "$port" -U postgres -d "$1" -v password="$password" \
        >>"$home/run/psql.log" 2>&1
}

# Anew each time: what an interrupted run left is not looked at.
start_cluster() {
    port=$(free_port)
    export TW_PORT=$port TW_BIN=$bin
    [[ ! -f $cluster/postmaster.pid ]] || stop_cluster
    rm -rf -- "${cluster:?}"
    "$bin/initdb" -D "$cluster" -U postgres --auth-local=trust --auth-host=scram-sha-256 --locale=C.UTF-8 -E UTF8 \
        --no-sync >"$home/run/initdb.log" 2>&1 || { cat "$home/run/initdb.log" >&2; return 1; }
    cat >>"$cluster/postgresql.conf" <<SETTINGS
listen_addresses = '127.0.0.1'
port = $port
unix_socket_directories = '$cluster'
fsync = off
log_line_prefix = '%m [%p] %u@%d '
log_statement = all
SETTINGS
    "$bin/pg_ctl" -D "$cluster" -l "$home/run/server.log" -w -t 120 start >/dev/null </dev/null ||
        { tail -n 20 "$home/run/server.log" >&2; return 1; }
    as_superuser postgres <<'SQL'
CREATE ROLE chatbot LOGIN PASSWORD :'password';
CREATE ROLE shop_operator LOGIN PASSWORD :'password';
SQL
}
stop_cluster() {
    [[ ! -f $cluster/postmaster.pid ]] || "$bin/pg_ctl" -D "$cluster" -m fast -w stop >/dev/null
}

make_database() { # public, own or moved
    local schema=training
    [[ $1 != public ]] || schema=public
    as_superuser postgres <<<"CREATE DATABASE $1" &&
        { [[ $1 != moved ]] || as_superuser moved <"$here/old_tables.sql"; } &&
        as_superuser "$1" <<SQL && { [[ $1 != moved ]] || as_superuser moved <"$here/moving_in.sql"; }
CREATE SCHEMA IF NOT EXISTS $schema;
CREATE EXTENSION training_workflow SCHEMA $schema;
SELECT $schema.grant_training_role('chatbot', 'capture'), $schema.grant_training_role('shop_operator', 'operator');
ALTER ROLE chatbot IN DATABASE $1 SET search_path = $schema, public;
ALTER ROLE shop_operator IN DATABASE $1 SET search_path = $schema, public;
CREATE TABLE public.orders (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, conversation bigint, note text);
GRANT ALL ON public.orders TO chatbot;
SELECT inserted FROM $schema.import_training_samples('{"text": "veg pizza", "intent": "intent.food.item.search"}');
CREATE SCHEMA checked;
CREATE TABLE checked.seen (id bigint);
SQL
}

# What stood there before a program ran is none of its rows.
remember() { # DATABASE
    local schema=training
    [[ $1 != public ]] || schema=public
    as_superuser "$1" <<<"TRUNCATE checked.seen; INSERT INTO checked.seen SELECT id FROM $schema.conversation_logs;"
}

start_pool() { # MODE
    local number
    number=$(free_port)
    # shellcheck disable=SC2034 # check.sh reads it
    pool_port[$1]=$number
    stop_pool "$1"                      # of a run that was killed
    PGPASSWORD=$password bash "$here/pgbouncer.sh" start "$home/pool.$1" "$1" "$number" "$port" chatbot shop_operator \
        >"$home/run/pool.$1.log" 2>&1 </dev/null
}
stop_pool() { # MODE
    [[ ! -d $home/pool.$1 ]] || bash "$here/pgbouncer.sh" stop "$home/pool.$1"
}
