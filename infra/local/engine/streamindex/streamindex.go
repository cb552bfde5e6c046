// Package streamindex keeps Dynoxide fast where streams are on. Each write to such a table looks for the highest sequence
// number in the table of stream records, without an index: from 1,000 puts a second it falls below 100 within seconds.
// With an index on just that expression it stays where it was. What is older than a stream's memory is trimmed at a start.
//
// It is a package of its own because the SQLite driver is heavy, and the tests that only store need none of it.
package streamindex

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"time"

	_ "modernc.org/sqlite" // the only SQLite that needs no C compiler
)

// statement matches Dynoxide 1.2.1's own `SELECT COALESCE(MAX(CAST(sequence_number AS INTEGER)), 0) + 1 FROM
// _stream_records WHERE table_name = ?`. Another release may ask otherwise: then the test beside this fails.
const statement = `CREATE INDEX IF NOT EXISTS pagefree_stream_sequence ON _stream_records (table_name, CAST(sequence_number AS INTEGER))`

// Create makes the index in the engine's folder, engine.Options.Dir, while the engine runs. It may be called again.
func Create(ctx context.Context, dir string) (err error) {
	db, err := open(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if _, err := db.ExecContext(ctx, statement); err != nil {
		return fmt.Errorf("index the stream records: %w", err)
	}
	return nil
}

// kept is how long a stream keeps its records, as DynamoDB's do.
const kept = 24 * time.Hour

// trim deletes what is older, but for the newest record of each table, which says where its sequence goes on.
const trim = `DELETE FROM _stream_records WHERE created_at < ? AND id NOT IN (SELECT MAX(id) FROM _stream_records GROUP BY table_name)`

// Trim deletes the records that a stream would not keep any more: the engine keeps them for good.
func Trim(ctx context.Context, dir string, now time.Time) (err error) {
	db, err := open(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if _, err := db.ExecContext(ctx, trim, now.Add(-kept).Unix()); err != nil {
		return fmt.Errorf("trim the stream records: %w", err)
	}
	return nil
}

// open opens the running engine's file; it waits for the engine's own writes.
func open(dir string) (*sql.DB, error) {
	file := url.URL{Scheme: "file", Path: filepath.Join(dir, "dynamodb.sqlite"), RawQuery: "_pragma=busy_timeout(10000)&mode=rw"}
	return sql.Open("sqlite", file.String())
}
