// What a developer writes first with pgx.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/jackc/pgx/v5"

	"clients/pgx/report"
)

var ctx = context.Background()

// The mode of pgx itself; through a pool in transaction mode the one that the lines "two connections" are about.
var usual = pgx.QueryExecModeCacheStatement

func init() {
	if os.Getenv("TW_POOL") == "transaction" {
		usual = pgx.QueryExecModeCacheDescribe
	}
}

// Connects as DATABASE_URL says, with a mode of running queries other than the default one, if there is one.
func connect(mode ...pgx.QueryExecMode) (*pgx.Conn, error) {
	config, err := pgx.ParseConfig(os.Getenv("DATABASE_URL"))
	if err != nil {
		return nil, err
	}
	if len(mode) > 0 {
		config.DefaultQueryExecMode = mode[0]
	} else {
		config.DefaultQueryExecMode = usual
	}
	return pgx.ConnectConfig(ctx, config)
}

// One row with a value for this column (or none), and what RETURNING is asked for.
func insert(relation, session, column string, value any, returning string, mode ...pgx.QueryExecMode) (int64, error) {
	db, err := connect(mode...)
	if err != nil {
		return 0, err
	}
	defer db.Close(ctx)
	return insertOn(db, relation, session, column, value, returning)
}

func insertOn(db *pgx.Conn, relation, session, column string, value any, returning string) (id int64, err error) {
	sql := "INSERT INTO " + relation + " (session_id, user_message) VALUES ($1, 'veg pizza')"
	arguments := []any{session}
	if column != "" {
		sql = "INSERT INTO " + relation + " (session_id, user_message, " + column + ") VALUES ($1, 'veg pizza', $2)"
		arguments = append(arguments, value)
	}
	rows, err := db.Query(ctx, sql+" RETURNING "+returning, arguments...)
	if err != nil {
		return 0, err
	}
	found, err := pgx.CollectExactlyOneRow(rows, pgx.RowToMap)
	if err != nil {
		return 0, err
	}
	return found["id"].(int64), nil
}

func tryValues(relation string) {
	then := time.Date(2026, 3, 1, 12, 30, 0, 0, time.FixedZone("IST", 19800))
	list := []map[string]string{{"dish": "pizza"}}
	text, _ := json.Marshal(list)
	for _, one := range []struct {
		name, column string
		value        any
		returning    string
		sent         any
	}{
		{"QueryRow RETURNING id", "", nil, "id", nil},
		{"QueryRow RETURNING *", "", nil, "*", nil},
		{"QueryRow RETURNING id, created_at", "", nil, "id, created_at", nil},
		{"a fraction of a millisecond", "nlu_processing_time_ms", 12.7, "id", 12.7},
		{"entities as a slice", "nlu_entities", list, "id", list},
		{"entities as a map", "nlu_entities", list[0], "id", list[0]},
		{"entities as JSON text", "nlu_entities", string(text), "id", list},
		{"entities as []byte", "nlu_entities", text, "id", list},
		{"response_success false", "response_success", false, "id", false},
		{"created_at as time.Time", "created_at", then, "id", then},
		{"NULL for what has a default", "message_type", nil, "id", "text"},
		{"an explicit id", "id", 4711, "id", nil},
	} {
		for _, mode := range []pgx.QueryExecMode{usual, pgx.QueryExecModeExec, pgx.QueryExecModeSimpleProtocol} {
			name := fmt.Sprintf("%s: %s", relation, one.name)
			if mode != usual {
				name += ", mode " + mode.String()
			}
			sent := report.Sent{}
			if one.sent != nil {
				sent[one.column] = one.sent
			}
			report.Attempt(name, sent, func(session string) (int64, int64, error) {
				id, err := insert(relation, session, one.column, one.value, one.returning, mode)
				return 1, id, err
			})
		}
	}
}

// Tries a default that needs a connection of its own.
func with(name string, what func(db *pgx.Conn, session string) (int64, int64, error), mode ...pgx.QueryExecMode) {
	report.Attempt(name, nil, func(session string) (int64, int64, error) {
		db, err := connect(mode...)
		if err != nil {
			return 0, 0, err
		}
		defer db.Close(ctx)
		return what(db, session)
	})
}

func tryMany(relation string) {
	sql := "INSERT INTO " + relation + " (session_id, user_message) VALUES ($1, $2)"
	copyFrom := func(columns []string, row func(session string) []any) func(*pgx.Conn, string) (int64, int64, error) {
		return func(db *pgx.Conn, session string) (int64, int64, error) {
			rows, err := db.CopyFrom(ctx, pgx.Identifier{relation}, columns,
				pgx.CopyFromSlice(20, func(int) ([]any, error) { return row(session), nil }))
			return rows, 0, err
		}
	}
	plain := copyFrom([]string{"session_id", "user_message"},
		func(session string) []any { return []any{session, "veg pizza"} })
	with(relation+": CopyFrom", plain)
	with(relation+": CopyFrom, mode simple protocol", plain, pgx.QueryExecModeSimpleProtocol)
	with(relation+": CopyFrom with entities", copyFrom([]string{"session_id", "user_message", "nlu_entities"},
		func(session string) []any { return []any{session, "veg pizza", []string{"pizza"}} }))
	batch := func(db *pgx.Conn, session string) (int64, int64, error) {
		batch, id := &pgx.Batch{}, int64(0)
		for number := range 20 {
			batch.Queue(sql+" RETURNING id", session, fmt.Sprint("pizza ", number)).QueryRow(
				func(row pgx.Row) error { return row.Scan(&id) })
		}
		return 20, id, db.SendBatch(ctx, batch).Close()
	}
	with(relation+": SendBatch RETURNING id", batch)
	with(relation+": SendBatch RETURNING id, mode exec", batch, pgx.QueryExecModeExec)
	with(relation+": Exec", func(db *pgx.Conn, session string) (int64, int64, error) {
		tag, err := db.Exec(ctx, sql, session, "veg pizza")
		return tag.RowsAffected(), 0, err
	})
	with(relation+": rollback", func(db *pgx.Conn, session string) (int64, int64, error) {
		tx, err := db.Begin(ctx)
		if err == nil {
			if _, err = tx.Exec(ctx, sql, session, "veg pizza"); err == nil {
				err = tx.Rollback(ctx)
			}
		}
		return 0, 0, err
	})
	for _, later := range []struct{ name, sql string }{
		{"SELECT afterwards", "SELECT session_id FROM " + relation + " WHERE id = $1"},
		{"UPDATE with the response", "UPDATE " + relation + " SET response_text = 'yes' WHERE id = $1"},
	} {
		with(relation+": "+later.name, func(db *pgx.Conn, session string) (int64, int64, error) {
			id, err := insertOn(db, relation, session, "", nil, "id")
			if err == nil {
				_, err = db.Exec(ctx, later.sql, id)
			}
			return 1, id, err
		})
	}
}

// Two connections by turns, each with the statements that it prepared, or without.
func tryTwo(relation string) {
	for _, mode := range []pgx.QueryExecMode{pgx.QueryExecModeCacheStatement, pgx.QueryExecModeCacheDescribe,
		pgx.QueryExecModeDescribeExec, pgx.QueryExecModeExec, pgx.QueryExecModeSimpleProtocol} {
		report.Attempt(relation+": two connections, mode "+mode.String(), nil, func(session string) (int64, int64, error) {
			one, err := connect(mode)
			if err != nil {
				return 0, 0, err
			}
			defer one.Close(ctx)
			other, err := connect(mode)
			if err != nil {
				return 0, 0, err
			}
			defer other.Close(ctx)
			var id int64
			for range 5 {
				for _, db := range []*pgx.Conn{one, other} {
					if id, err = insertOn(db, relation, session, "nlu_confidence", 0.5, "id"); err != nil {
						return 0, 0, err
					}
				}
			}
			return 10, id, nil
		})
	}
}

func functions(db *pgx.Conn, session string) (int64, int64, error) {
	id, err := insertOn(db, "conversation_logs", session, "", nil, "id")
	if err != nil {
		return 0, 0, err
	}
	var one, two int64
	err = errors.Join(
		db.QueryRow(ctx, "SELECT record_response($1, $2, 'yes', $3)", id, session, false).Scan(&one),
		db.QueryRow(ctx, "SELECT record_feedback($1, $2, 'negative')", id, session).Scan(&two))
	if err == nil && (one != id || two != id) {
		err = fmt.Errorf("the functions returned %d and %d, not %d", one, two, id)
	}
	return 1, id, err
}

func main() {
	for _, relation := range []string{"conversation_capture", "conversation_logs"} {
		tryValues(relation)
		tryMany(relation)
		tryTwo(relation)
	}
	with("record_response() and record_feedback()", functions)
}
