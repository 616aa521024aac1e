// Package report shows one line of JSON for each default that is tried; see check.sh.
package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/jackc/pgx/v5/pgconn"
)

// Default is a function of its session. It returns how many rows it believes to have stored, and the id of one of them,
// 0 where the client learns none.
type Default func(session string) (rows int64, id int64, err error)

// Sent is what has to stand in columns of the newest row of the session.
type Sent map[string]any

// Attempt tries a default and prints its line.
func Attempt(name string, sent Sent, what Default) {
	if sent == nil {
		sent = Sent{}
	}
	line := struct {
		Default string  `json:"default"`
		Session string  `json:"session"`
		Rows    int64   `json:"rows"`
		ID      *int64  `json:"id"`
		Error   *string `json:"error"`
		Sent    Sent    `json:"sent"`
	}{Default: name, Session: name, Sent: sent}
	rows, id, err := what(name)
	if err != nil {
		text := err.Error()
		var server *pgconn.PgError
		if errors.As(err, &server) {
			for _, part := range []string{server.Detail, server.Hint} {
				if part != "" {
					text += " | " + part
				}
			}
		}
		line.Error = &text
	} else {
		line.Rows = rows
		if id != 0 {
			line.ID = &id
		}
	}
	if err := json.NewEncoder(os.Stdout).Encode(line); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
