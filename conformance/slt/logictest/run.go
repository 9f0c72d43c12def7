package logictest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// Runner runs files. It keeps nothing between them and may be used by several
// goroutines.
type Runner struct {
	// Engine is the name that skipif and onlyif compare with.
	Engine string
	// Open returns a connection to an empty database of its own; close is called
	// when the file is done.
	Open func(ctx context.Context) (conn *sql.Conn, close func() error, err error)
	// NoAnswer reports errors that do not satisfy a statement that must fail,
	// such as a defect of the database. It may be nil.
	NoAnswer func(error) bool
	// Skip reports whether the record that begins at a line of a file is left
	// out. It may be nil.
	Skip func(name string, line int) bool
	// Timeout bounds each record; 0 is no bound.
	Timeout time.Duration
	// Progress is called after each record with the counts so far. It may be nil.
	Progress func(name string, r Result)
	// Failures is how many failed records a Result keeps.
	Failures int
}

// Result counts the records of a file.
type Result struct {
	Records, Passed, Failed, Skipped int
	Failures                         []Failure // the first ones
}

// Failure is a record that failed.
type Failure struct {
	Name   string // of the file
	Record Record
	Got    []string // values, where there are any
	Reason string
}

// String shows the statement, what was wanted and what came.
func (f Failure) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s:%d: %s\n", f.Name, f.Record.Line, f.Reason)
	fmt.Fprintf(&b, "  SQL:    %s\n", strings.ReplaceAll(f.Record.SQL, "\n", "\n          "))
	if f.Record.Types == "" {
		return b.String()
	}
	want := values(f.Record.Want)
	if f.Record.Hash != "" {
		want = fmt.Sprintf("%d values hashing to %s", f.Record.Count, f.Record.Hash)
	}
	fmt.Fprintf(&b, "  wanted: %s\n  got:    %s\n", want, values(f.Got))
	return b.String()
}

func values(list []string) string {
	const most = 30
	if len(list) > most {
		return fmt.Sprintf("%s … (%d values hashing to %s)", strings.Join(list[:most], " | "), len(list), hash(list))
	}
	return strings.Join(list, " | ")
}

// Run runs the records of a file on a database of its own. A record that fails
// is counted; an error is returned when the file cannot be read or no database
// opened.
func (r *Runner) Run(ctx context.Context, name string, file io.Reader) (result Result, err error) {
	records, err := Parse(file, r.Engine)
	if err != nil {
		return result, fmt.Errorf("%s: %w", name, err)
	}
	conn, closeDB, err := r.Open(ctx)
	if err != nil {
		return result, fmt.Errorf("%s: %w", name, err)
	}
	defer func() {
		if e := closeDB(); err == nil && e != nil {
			err = fmt.Errorf("%s: closing the database: %w", name, e)
		}
	}()
	result.Records = len(records)
	labels := map[string]string{}
	for _, rec := range records {
		if err := ctx.Err(); err != nil {
			return result, err
		}
		if r.Skip != nil && r.Skip(name, rec.Line) {
			result.Skipped++
			continue
		}
		got, reason := r.record(ctx, conn, rec, labels)
		if reason == "" {
			result.Passed++
		} else {
			result.Failed++
			if len(result.Failures) < r.Failures {
				result.Failures = append(result.Failures, Failure{name, rec, got, reason})
			}
		}
		if r.Progress != nil {
			r.Progress(name, result)
		}
	}
	return result, nil
}

// record runs one record and returns why it failed, or "".
func (r *Runner) record(ctx context.Context, conn *sql.Conn, rec Record, labels map[string]string) (got []string, reason string) {
	if r.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, r.Timeout)
		defer cancel()
	}
	if rec.Types == "" {
		_, err := conn.ExecContext(ctx, rec.SQL)
		return nil, r.statementFailure(ctx, rec, err)
	}
	got, err := query(ctx, conn, rec)
	if err != nil {
		return got, err.Error()
	}
	if rec.Hash != "" {
		if len(got) != rec.Count {
			return got, fmt.Sprintf("%d values, wanted %d", len(got), rec.Count)
		}
		if hash(got) != rec.Hash {
			return got, "the values differ"
		}
	} else if !slices.Equal(got, rec.Want) {
		return got, "the values differ"
	}
	if rec.Label != "" {
		h := hash(got)
		if first, ok := labels[rec.Label]; ok && first != h {
			return got, fmt.Sprintf("the values differ from those of an earlier query labelled %s", rec.Label)
		}
		labels[rec.Label] = h
	}
	return got, ""
}

func (r *Runner) statementFailure(ctx context.Context, rec Record, err error) string {
	switch {
	case !rec.WantError && err != nil:
		return err.Error()
	case rec.WantError && err == nil:
		return "succeeded, but must fail"
	case rec.WantError && (ctx.Err() != nil || r.NoAnswer != nil && r.NoAnswer(err)):
		return "must fail, but not with: " + err.Error()
	}
	return ""
}

// query returns the values of a result, formatted and sorted.
func query(ctx context.Context, conn *sql.Conn, rec Record) (_ []string, err error) {
	rows, err := conn.QueryContext(ctx, rec.SQL)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	columns, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	width := len(columns)
	if width != len(rec.Types) {
		return nil, fmt.Errorf("%d columns, wanted %d", width, len(rec.Types))
	}
	row := make([]any, width)
	into := make([]any, width)
	for i := range row {
		into[i] = &row[i]
	}
	var list []string
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return list, err
		}
		for i, v := range row {
			list = append(list, format(rec.Types[i], v))
		}
	}
	sortValues(list, width, rec.Sort)
	return list, rows.Err()
}
