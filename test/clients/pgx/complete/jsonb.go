package main

import "encoding/json"

// Without prepared statements pgx does not know the types of columns: a value for a jsonb column is its JSON text.
func jsonb(value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		panic(err) // no value of this program
	}
	return string(text)
}
