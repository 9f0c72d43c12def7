package kalam_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/kalamgo/kalam"
)

// openNotes returns a pool on a database with a user table, in which the users
// alice and bob have rows 1 to 3, told apart by their text.
func openNotes(t *testing.T) *sql.DB {
	t.Helper()
	db, err := sql.Open("kalam", ":memory:")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	mustExec(t, t.Context(), db, "CREATE USER TABLE notes (id INT PRIMARY KEY AUTO_INCREMENT, body TEXT)")
	for _, user := range []string{"alice", "bob"} {
		for i := range 3 {
			mustExec(t, kalam.WithUser(t.Context(), user), db, "INSERT INTO notes (body) VALUES (?)", fmt.Sprint(user, i+1))
		}
	}
	return db
}

type execer interface {
	ExecContext(context.Context, string, ...any) (sql.Result, error)
}

func mustExec(t *testing.T, ctx context.Context, db execer, query string, args ...any) {
	t.Helper()
	if _, err := db.ExecContext(ctx, query, args...); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

type queryer interface {
	QueryContext(context.Context, string, ...any) (*sql.Rows, error)
}

// bodies returns the texts of a query.
func bodies(t *testing.T, ctx context.Context, db queryer, query string, args ...any) string {
	t.Helper()
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return read(t, rows)
}

func read(t *testing.T, rows *sql.Rows) string {
	t.Helper()
	defer rows.Close()
	var list []string
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			t.Fatal(err)
		}
		list = append(list, s)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return strings.Join(list, " ")
}

const allNotes = "SELECT body FROM notes ORDER BY id"

func TestWithUser(t *testing.T) {
	t.Parallel()
	db := openNotes(t)
	for user, want := range map[string]string{"alice": "alice1 alice2 alice3", "bob": "bob1 bob2 bob3", "": "", "carol": "", "alice\x00": ""} {
		if got := bodies(t, kalam.WithUser(t.Context(), user), db, allNotes); got != want {
			t.Errorf("%q sees %q, want %q", user, got, want)
		}
	}
	if got := bodies(t, t.Context(), db, allNotes); got != "" {
		t.Errorf("system sees %q", got)
	}
	if got := bodies(t, kalam.WithUser(t.Context(), "alice"), db, "SELECT CURRENT_USER()"); got != "alice" {
		t.Errorf("CURRENT_USER() is %q", got)
	}
	if user, ok := kalam.UserOf(kalam.WithUser(t.Context(), "x")); user != "x" || !ok {
		t.Errorf("UserOf gives %q, %v", user, ok)
	}
	if _, ok := kalam.UserOf(t.Context()); ok {
		t.Error("a plain context has a user")
	}
}

// TestWithUserConcurrently lets many users at once use one pool and one prepared
// statement.
func TestWithUserConcurrently(t *testing.T) {
	t.Parallel()
	db := openNotes(t)
	db.SetMaxOpenConns(3)
	insert, err := db.Prepare("INSERT INTO notes (body) VALUES (?)")
	if err != nil {
		t.Fatal(err)
	}
	defer insert.Close()
	query, err := db.Prepare(allNotes)
	if err != nil {
		t.Fatal(err)
	}
	defer query.Close()
	var wg sync.WaitGroup
	for u := range 8 {
		wg.Go(func() {
			user := fmt.Sprint("user", u)
			ctx := kalam.WithUser(context.Background(), user)
			want := ""
			for i := range 20 {
				body := fmt.Sprint(user, "-", i)
				if _, err := insert.ExecContext(ctx, body); err != nil {
					t.Error(err)
					return
				}
				want = strings.TrimSpace(want + " " + body)
				rows, err := query.QueryContext(ctx)
				if err != nil {
					t.Error(err)
					return
				}
				if got := read(t, rows); got != want {
					t.Errorf("%s sees %q, want %q", user, got, want)
					return
				}
			}
		})
	}
	wg.Wait()
}

func TestWithUserTransaction(t *testing.T) {
	t.Parallel()
	db := openNotes(t)
	alice, bob := kalam.WithUser(t.Context(), "alice"), kalam.WithUser(t.Context(), "bob")
	tx, err := db.BeginTx(alice, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	mustExec(t, t.Context(), tx, "DELETE FROM notes WHERE id > 1") // alice's still
	if got := bodies(t, alice, tx, allNotes); got != "alice1" {
		t.Errorf("alice sees %q in her transaction", got)
	}
	_, err = tx.ExecContext(bob, "DELETE FROM notes")
	if !errors.Is(err, kalam.ErrOtherUser) {
		t.Errorf("bob in alice's transaction: %v", err)
	}
	mustExec(t, t.Context(), tx, "EXECUTE AS USER ? (INSERT INTO notes (body) VALUES (?))", "alice", "as")
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	if got := bodies(t, bob, db, allNotes); got != "bob1 bob2 bob3" {
		t.Errorf("bob sees %q", got)
	}
	if got := bodies(t, alice, db, allNotes); got != "alice1 as" {
		t.Errorf("alice sees %q", got)
	}
}

// TestWithUserRows lets one connection serve another user while rows are read.
func TestWithUserRows(t *testing.T) {
	t.Parallel()
	db := openNotes(t)
	for range 11 {
		mustExec(t, kalam.WithUser(t.Context(), "alice"), db, "INSERT INTO notes (body) SELECT body FROM notes")
	}
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	rows, err := conn.QueryContext(kalam.WithUser(t.Context(), "alice"), "SELECT n.body FROM notes n WHERE EXISTS (SELECT 1 FROM notes m WHERE m.id = n.id)")
	if err != nil {
		t.Fatal(err)
	}
	rows.Next()
	if got := bodies(t, kalam.WithUser(t.Context(), "bob"), conn, allNotes); got != "bob1 bob2 bob3" {
		t.Errorf("bob sees %q", got)
	}
	n := 1
	for ; rows.Next(); n++ {
		var s string
		if err := rows.Scan(&s); err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(s, "alice") {
			t.Fatalf("alice is given %q", s)
		}
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil || n != 3<<11 {
		t.Errorf("%d rows, %v", n, err)
	}
}

// TestUserOfDSN opens one database as two users.
func TestUserOfDSN(t *testing.T) {
	t.Parallel()
	dsn := "file:" + t.Name() + "?mode=memory"
	open := func(user string) *sql.DB {
		db, err := sql.Open("kalam", dsn+user)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { db.Close() })
		return db
	}
	system, alice := open(""), open("&user=alice")
	mustExec(t, t.Context(), system, "CREATE USER TABLE notes (id INT PRIMARY KEY AUTO_INCREMENT, body TEXT)")
	mustExec(t, t.Context(), alice, "INSERT INTO notes (body) VALUES ('hers')")
	if got := bodies(t, t.Context(), system, allNotes); got != "" {
		t.Errorf("system sees %q", got)
	}
	if got := bodies(t, kalam.WithUser(t.Context(), "alice"), system, allNotes); got != "hers" {
		t.Errorf("alice sees %q", got)
	}
	// alice has no right to be another.
	if _, err := alice.ExecContext(kalam.WithUser(t.Context(), "bob"), "INSERT INTO notes (body) VALUES ('x')"); !errors.Is(err, kalam.ErrAccessDenied) {
		t.Errorf("alice as bob: %v", err)
	}
}

// TestExportUser gives a copy of alice's rows to carol.
func TestExportUser(t *testing.T) {
	t.Parallel()
	db := openNotes(t)
	var text strings.Builder
	if err := kalam.ExportUser(t.Context(), db, "alice", &text); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(text.String(), "bob") {
		t.Error(text.String())
	}
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	carol := kalam.WithUser(t.Context(), "carol")
	mustExec(t, carol, conn, text.String())
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	for user, want := range map[string]string{"alice": "alice1 alice2 alice3", "bob": "bob1 bob2 bob3", "carol": "alice1 alice2 alice3"} {
		if got := bodies(t, kalam.WithUser(t.Context(), user), db, allNotes); got != want {
			t.Errorf("%s has %q, want %q", user, got, want)
		}
	}
	mustExec(t, carol, db, "INSERT INTO notes (body) VALUES ('hers')")
	if got := bodies(t, carol, db, "SELECT id FROM notes WHERE body = 'hers'"); got != "4" {
		t.Errorf("carol's next number is %s", got)
	}
	dsn := "file:" + t.Name() + "?mode=memory&user="
	alice, err := sql.Open("kalam", dsn+"alice")
	if err != nil {
		t.Fatal(err)
	}
	defer alice.Close()
	if err := kalam.ExportUser(t.Context(), alice, "bob", &text); !errors.Is(err, kalam.ErrAccessDenied) {
		t.Errorf("alice exports bob's: %v", err)
	}
}
