package kalam

import (
	"context"
	"database/sql"
	"io"

	"github.com/kalamgo/kalam/driver"
)

// WithUser returns a context for calls of database/sql that are a user's: they
// see that user's rows of user and stream tables. One sql.DB serves all users:
//
//	rows, err := db.QueryContext(kalam.WithUser(ctx, "alice"), "SELECT * FROM notes")
//
// A transaction's user is that of BeginTx's context for all of its statements;
// one with the context of another user fails. Prepared statements run as the
// user of each call. A user is any string; nobody needs to have been made known.
func WithUser(ctx context.Context, user string) context.Context { return driver.WithUser(ctx, user) }

// UserOf returns the user that WithUser gave to a context.
func UserOf(ctx context.Context) (user string, ok bool) { return driver.UserOf(ctx) }

// ExportUser writes what a user, by the id, has in all user and stream tables as SQL text, as
// it is at one moment: INSERTs that name their columns, no definitions. Rows of
// others are not in it, nor is the user's name, so that the text may be run for another user:
//
//	_, err := conn.ExecContext(kalam.WithUser(ctx, "bob"), text) // of a sql.Conn: the text has USE
//
// Loaded rows are the same to the last digit. Rows that were deleted and could be
// restored are not exported, and events are as young as the load. Triggers run as
// for any INSERT. Errors: ErrAccessDenied where the user of db may not act as the
// other, ErrInterrupted, and w's; one of number 1396 where there are no rows, and the id is
// the name of a recorded user with another.
func ExportUser(ctx context.Context, db *sql.DB, user string, w io.Writer) error {
	return driver.ExportUser(ctx, db, user, w)
}
