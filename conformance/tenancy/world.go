package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/kalamgo/kalam"
)

// open opens an empty database in memory, with one pool.
func open() (*sql.DB, error) { return sql.Open("kalam", ":memory:") }

// mallory is who tries to see others' rows.
const mallory = "mallory"

// victims are those whose rows mallory must not see. Some of their ids are such
// that an encoding, a prefix or a look-alike could mix them up with mallory's.
var victims = []string{"alice", "", "m", "mallor", "mallory2", "mallory\x00", "mallory\x00\x01", "mallory\xff", "\x00mallory", "Mallory", "mаllory",
	"mallory ", "mallory'; --", "mallory|1", "mallory/notes", strings.Repeat("mallory", 64<<10/7), "system"}

// tenancySchema has a table of each kind, with everything that could tie tables together.
const tenancySchema = `
CREATE USER TABLE notes (id INT PRIMARY KEY AUTO_INCREMENT, title VARCHAR(60) UNIQUE, n INT, body TEXT, KEY n (n)) WITH (DELETED_RETENTION_HOURS=24);
CREATE USER TABLE tags (note INT, tag VARCHAR(60), PRIMARY KEY (note, tag),
  FOREIGN KEY (note) REFERENCES notes (id) ON DELETE CASCADE ON UPDATE CASCADE) WITH (DELETED_RETENTION_HOURS=24);
CREATE USER TABLE kept (note INT REFERENCES notes (id));
CREATE USER TABLE loose (v TEXT);
CREATE STREAM TABLE events (k INT, v VARCHAR(60), KEY k (k)) WITH (TTL_SECONDS=36000, MAX_BUFFER=50);
CREATE USER TABLE log (id INT PRIMARY KEY AUTO_INCREMENT, what VARCHAR(100));
CREATE TABLE rooms (id INT PRIMARY KEY, name VARCHAR(60));
CREATE TABLE numbers (i INT PRIMARY KEY);
CREATE VIEW titles AS SELECT id, title FROM notes;
CREATE VIEW small AS SELECT id, title, n FROM notes WHERE n < 100 WITH CHECK OPTION;
CREATE VIEW pairs AS SELECT a.title AS t, b.title AS u FROM notes a JOIN titles b ON b.id >= a.id;
CREATE VIEW bin AS SELECT id, title FROM notes WHERE _deleted;
CREATE TRIGGER added AFTER INSERT ON notes FOR EACH ROW INSERT INTO log (what) VALUES (CONCAT('added ', NEW.title));
CREATE TRIGGER changed AFTER UPDATE ON notes FOR EACH ROW INSERT INTO log (what) VALUES (CONCAT('changed ', OLD.title));
GRANT ALL ON *.* TO ROLE 'user';
INSERT INTO rooms VALUES (1, 'one'), (2, 'two'), (3, 'three'), (7, 'seven');
INSERT INTO numbers WITH RECURSIVE r AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM r WHERE i < 900) SELECT i FROM r`

// rowsOf returns statements that give a user count notes, whose titles begin with
// word, and rows that go with them, some of them deleted.
func rowsOf(word string, count, n int) string {
	all := func(row string) string {
		list := make([]string, count)
		for i := range list {
			list[i] = strings.NewReplacer("WORD", word, "@", fmt.Sprint(i+1), "#", fmt.Sprint(n+i+1)).Replace(row)
		}
		return strings.Join(list, ", ")
	}
	return "INSERT INTO notes (title, n, body) VALUES " + all("('WORD-@', #, 'WORD')") +
		"; INSERT INTO tags VALUES " + all("(@, 'WORD')") +
		"; INSERT INTO loose VALUES " + all("('WORD-@')") +
		"; INSERT INTO events VALUES " + all("(@, 'WORD-@')") +
		"; INSERT INTO notes (title) VALUES ('" + word + "-gone'); DELETE FROM notes WHERE title = '" + word + "-gone'"
}

// secret is in all texts of victims.
const secret = "s3cret"

// world is a database with mallory's rows and, when it is full, victims'.
type world struct {
	db   *sql.DB
	full bool
}

func newWorld(ctx context.Context, full bool) (w *world, err error) {
	db, err := open()
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			db.Close()
		}
	}()
	w = &world{db: db, full: full}
	if _, err := db.ExecContext(ctx, tenancySchema); err != nil {
		return nil, err
	}
	if full {
		for _, v := range victims {
			if _, err := db.ExecContext(kalam.WithUser(ctx, v), rowsOf(secret, 25, 1000)); err != nil {
				return nil, err
			}
		}
	}
	_, err = db.ExecContext(kalam.WithUser(ctx, mallory), rowsOf("mine", 3, 0))
	return w, err
}

// exports returns what each victim has.
func (w *world) exports(ctx context.Context) ([]string, error) {
	var list []string
	for _, v := range victims {
		var b strings.Builder
		if err := kalam.ExportUser(ctx, w.db, v, &b); err != nil {
			return nil, err
		}
		list = append(list, b.String())
	}
	return list, nil
}

// runner is what statements run on: a pool, a connection or a transaction.
type runner interface {
	QueryContext(context.Context, string, ...any) (*sql.Rows, error)
	ExecContext(context.Context, string, ...any) (sql.Result, error)
}

// What differs from run to run: times, and how long something took.
var varying = regexp.MustCompile(`\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d+)?|(time|memory)[=:] ?[^ ,)]+|"(time|memory)[a-z_]*": [^,}]+`)

// bound is a prepared statement as a runner, for which the text does not matter.
type bound struct{ of *sql.Stmt }

func (b bound) QueryContext(ctx context.Context, _ string, args ...any) (*sql.Rows, error) {
	return b.of.QueryContext(ctx, args...)
}

func (b bound) ExecContext(ctx context.Context, _ string, args ...any) (sql.Result, error) {
	return b.of.ExecContext(ctx, args...)
}

// observe runs a statement and returns all that its caller learns of it, as text.
func observe(ctx context.Context, on runner, statement string) (text string, err error) {
	return observeWith(ctx, statement, on, nil)
}

// observeWith is observe with arguments.
func observeWith(ctx context.Context, statement string, on runner, args []any) (text string, err error) {
	defer func() {
		text = varying.ReplaceAllString(text, "…")
	}()
	if !hasRows(statement) {
		r, err := on.ExecContext(ctx, statement, args...)
		if err != nil {
			return told(err), err
		}
		n, _ := r.RowsAffected()
		id, _ := r.LastInsertId()
		return fmt.Sprintf("%d rows, id %d\n", n, id), nil
	}
	rows, err := on.QueryContext(ctx, statement, args...)
	if err != nil {
		return told(err), err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return "", err
	}
	var b strings.Builder
	b.WriteString(strings.Join(columns, "|") + "\n")
	cells := make([]sql.NullString, len(columns))
	into := make([]any, len(columns))
	for i := range cells {
		into[i] = &cells[i]
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return b.String(), err
		}
		for _, c := range cells {
			if c.Valid {
				fmt.Fprintf(&b, "%q|", c.String)
			} else {
				b.WriteString("NULL|")
			}
		}
		b.WriteByte('\n')
	}
	if err := rows.Err(); err != nil {
		return b.String() + told(err), err
	}
	return b.String(), nil
}

// told is all that an error says.
func told(err error) string {
	text := err.Error()
	var e *kalam.Error
	if errors.As(err, &e) {
		text += fmt.Sprintf(" table %q column %q constraint %q", e.Table, e.Column, e.Constraint)
	}
	for err = errors.Unwrap(err); err != nil; err = errors.Unwrap(err) {
		text += " because of " + err.Error()
	}
	return text + "\n"
}

// hasRows reports whether a statement gives rows.
func hasRows(statement string) bool {
	first, _, _ := strings.Cut(strings.TrimSpace(statement), " ")
	switch strings.ToUpper(first) {
	case "SELECT", "SHOW", "EXPLAIN", "DESCRIBE", "TABLE", "WITH", "CHECK", "CHECKSUM", "ANALYZE":
		return !strings.Contains(statement, " INTO @")
	case "EXECUTE":
		_, inner, _ := strings.Cut(statement, "(")
		return hasRows(inner)
	}
	return strings.Contains(statement, " RETURNING ")
}
