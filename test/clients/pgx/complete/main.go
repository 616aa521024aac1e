// A chatbot that captures with pgx. DATABASE_URL names the database; the role is of kind capture, and its search_path
// begins with the extension's schema.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"clients/pgx/report"
)

// What a pool and a transaction both can.
type database interface {
	Exec(ctx context.Context, sql string, arguments ...any) (pgconn.CommandTag, error)
	QueryRow(ctx context.Context, sql string, arguments ...any) pgx.Row
}

type entity struct {
	Dish string `json:"dish"`
}

var errClosed = errors.New("the kitchen is closed")

func connect(ctx context.Context) (*pgxpool.Pool, error) {
	config, err := pgxpool.ParseConfig(os.Getenv("DATABASE_URL"))
	if err != nil {
		return nil, err
	}
	// A pool in transaction mode (pgbouncer before 1.21) needs this: no statements that stay prepared.
	config.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe
	return pgxpool.NewWithConfig(ctx, config)
}

// Captures one message; returns the conversation's id.
func answer(ctx context.Context, db database, session, text string) (id int64, err error) {
	var version, intent, module *string
	var confidence *float64
	if err = db.QueryRow(ctx, "SELECT assign_model_version('router', $1)", session).Scan(&version); err != nil {
		return 0, err
	}
	err = db.QueryRow(ctx, "SELECT intent, confidence, module_type FROM classify_intent($1, 'router', $2)",
		text, version).Scan(&intent, &confidence, &module)
	if err != nil {
		return 0, err
	}
	// All is NULL while no model is live: the message is captured all the same, and a person labels it.
	err = db.QueryRow(ctx, `
		INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_module_type,
			nlu_provider, nlu_model_version, nlu_entities, nlu_processing_time_ms)
		VALUES ($1, $2, $3, $4, $5, 'indicbert', $6, $7, $8) RETURNING id`,
		session, text, intent, confidence, module, version, []entity{{"pizza"}}, 12.7).Scan(&id)
	if err != nil {
		return 0, err
	}
	reply := "12 places near you" // your own code
	_, err = db.Exec(ctx, "SELECT record_response($1, $2, $3, $4, $5)", id, session, reply, true, "opensearch")
	return id, err
}

func thumbsDown(ctx context.Context, db database, id int64, session, correction string) error {
	_, err := db.Exec(ctx, "SELECT record_feedback($1, $2, 'negative', $3)", id, session, correction)
	return err
}

// Captures many messages of a session in one round trip.
func many(ctx context.Context, pool *pgxpool.Pool, session string, texts []string) error {
	batch := &pgx.Batch{}
	for _, text := range texts {
		batch.Queue(`INSERT INTO conversation_logs (session_id, user_message, nlu_provider, nlu_entities)
			VALUES ($1, $2, 'llm', $3)`, session, text, entity{"burger"})
	}
	return pool.SendBatch(ctx, batch).Close()
}

// The conversation is stored if the order is: both commit or roll back together.
func order(ctx context.Context, pool *pgxpool.Pool, session, text string, fail bool) (id int64, err error) {
	err = pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		if id, err = answer(ctx, tx, session, text); err != nil {
			return err
		}
		if _, err = tx.Exec(ctx, "INSERT INTO orders (conversation, note) VALUES ($1, 'pizza')", id); err != nil {
			return err
		}
		if fail {
			return errClosed
		}
		return nil
	})
	return id, err
}

func run(ctx context.Context) error {
	pool, err := connect(ctx)
	if err != nil {
		return err
	}
	defer pool.Close()
	report.Attempt("complete: one message with its response", report.Sent{
		"response_text": "12 places near you", "response_success": true, "routed_to": "opensearch",
		"nlu_provider": "indicbert", "nlu_entities": []entity{{"pizza"}}, "nlu_processing_time_ms": 12.7,
	}, func(session string) (int64, int64, error) {
		id, err := answer(ctx, pool, session, "veg pizza milega?")
		return 1, id, err
	})
	report.Attempt("complete: one message with feedback", report.Sent{
		"user_feedback": "negative", "user_correction": "I meant veg burger",
	}, func(session string) (int64, int64, error) {
		id, err := answer(ctx, pool, session, "nahi")
		if err == nil {
			err = thumbsDown(ctx, pool, id, session, "I meant veg burger")
		}
		return 1, id, err
	})
	report.Attempt("complete: many messages", nil, func(session string) (int64, int64, error) {
		texts := make([]string, 10)
		for number := range texts {
			texts[number] = fmt.Sprint("burger ", number)
		}
		return 10, 0, many(ctx, pool, session, texts)
	})
	report.Attempt("complete: in a transaction with an order", nil, func(session string) (int64, int64, error) {
		id, err := order(ctx, pool, session, "ek pizza", false)
		return 1, id, err
	})
	report.Attempt("complete: in a transaction that rolls back", nil, func(session string) (int64, int64, error) {
		if _, err := order(ctx, pool, session, "ek pizza", true); !errors.Is(err, errClosed) {
			return 0, 0, fmt.Errorf("the transaction did not fail as it should: %v", err)
		}
		return 0, 0, nil
	})
	return nil
}

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
