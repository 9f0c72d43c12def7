package driver_test

import (
	"context"
	"database/sql"
	"errors"
	"testing"

	kalam "github.com/kalamgo/kalam/driver"
	"github.com/kalamgo/kalam/engine/sqlerr"
)

// open returns a database that the test closes.
func open(t *testing.T, dsn string) *sql.DB {
	t.Helper()
	db, err := sql.Open("kalam", dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("closing %s: %v", dsn, err)
		}
	})
	return db
}

func memory(t *testing.T, statements ...string) *sql.DB {
	t.Helper()
	db := open(t, ":memory:")
	for _, s := range statements {
		exec(t, db, s)
	}
	return db
}

type execer interface {
	ExecContext(context.Context, string, ...any) (sql.Result, error)
}

func exec(t *testing.T, db execer, query string, args ...any) sql.Result {
	t.Helper()
	r, err := db.ExecContext(t.Context(), query, args...)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return r
}

type rowQueryer interface {
	QueryRowContext(context.Context, string, ...any) *sql.Row
}

// one returns the single value of a query.
func one[T any](t *testing.T, db rowQueryer, query string, args ...any) T {
	t.Helper()
	var v T
	if err := db.QueryRowContext(t.Context(), query, args...).Scan(&v); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return v
}

func wantKind(t *testing.T, err error, kind *sqlerr.Kind) {
	t.Helper()
	if !errors.Is(err, kind) {
		t.Errorf("error is %v, want %s", err, kind.Name)
	}
	var e *kalam.Error
	if err != nil && !errors.As(err, &e) {
		t.Errorf("error is a %T, want a *driver.Error", err)
	}
}
