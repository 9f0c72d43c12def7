package kalam_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"iter"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kalamgo/kalam"
)

// rowsOf yields rows, then an error unless it is nil.
func rowsOf(list [][]any, err error) iter.Seq2[[]any, error] {
	return func(yield func([]any, error) bool) {
		for _, r := range list {
			if !yield(r, nil) {
				return
			}
		}
		if err != nil {
			yield(nil, err)
		}
	}
}

// counted yields n rows of i and a text.
func counted(n int) iter.Seq2[[]any, error] {
	return func(yield func([]any, error) bool) {
		row := make([]any, 2)
		text := make([]byte, 0, 20)
		for i := range n {
			text = fmt.Appendf(text[:0], "text %d", i)
			row[0], row[1] = i, text
			if !yield(row, nil) {
				return
			}
		}
	}
}

func texts(t *testing.T, on interface {
	QueryContext(context.Context, string, ...any) (*sql.Rows, error)
}, query string) (list []string) {
	t.Helper()
	rows, err := on.QueryContext(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	columns, _ := rows.Columns()
	for rows.Next() {
		cells, into := make([]sql.NullString, len(columns)), make([]any, len(columns))
		for i := range cells {
			into[i] = &cells[i]
		}
		if err := rows.Scan(into...); err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		for i, c := range cells {
			if i > 0 {
				b.WriteByte('|')
			}
			if !c.Valid {
				c.String = "NULL"
			}
			b.WriteString(c.String)
		}
		list = append(list, b.String())
	}
	if rows.Err() != nil {
		t.Fatal(rows.Err())
	}
	return list
}

func TestInsertRows(t *testing.T) {
	t.Parallel()
	db := open(t, "CREATE TABLE t (id INT PRIMARY KEY, txt VARCHAR(30), n DOUBLE, at DATETIME(3), d DECIMAL(10,2) DEFAULT 7, b VARBINARY(10), j JSON)")
	ctx := t.Context()
	at := time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC)
	word, number := "pointer", 4.5
	n, err := kalam.InsertRows(ctx, db, "INSERT INTO t (id, txt, n, at, b, j) VALUES (?, UPPER(?), ? * 2, ?, ?, ?)", rowsOf([][]any{
		{1, nil, nil, nil, nil, nil},
		{int8(2), "a", 1.5, at, []byte{0, 0xff}, `{"a": 1}`},
		{uint64(3), "Ä", 2, "2020-01-01 00:00:00", "text", `[]`},
		{sql.NullInt64{Int64: 4, Valid: true}, &word, &number, (*time.Time)(nil), []byte(nil), nil},
	}, nil))
	if err != nil || n != 4 {
		t.Fatal(n, err)
	}
	if d := cmp.Diff([]string{"1|NULL|NULL|NULL|7.00|NULL|NULL", "2|A|3|2026-01-02 03:04:05.678|7.00|00FF|{\"a\": 1}",
		"3|Ä|4|2020-01-01 00:00:00.000|7.00|74657874|[]", "4|POINTER|9|NULL|7.00|NULL|NULL"},
		texts(t, db, "SELECT id, txt, n, CAST(at AS CHAR), d, HEX(b), j FROM t")); d != "" {
		t.Error(d)
	}
	n, err = kalam.InsertRows(ctx, db, "INSERT INTO t (id, txt) VALUES (?, ?) ON DUPLICATE KEY UPDATE txt = CONCAT(txt, VALUES(txt))", rowsOf([][]any{{2, "b"}, {5, "e"}}, nil))
	if err != nil || n != 3 {
		t.Error(n, err)
	}
	if n, err = kalam.InsertRows(ctx, db, "INSERT IGNORE INTO t (id) VALUES (?)", rowsOf([][]any{{5}, {6}}, nil)); err != nil || n != 1 {
		t.Error(n, err)
	}
	if n, err = kalam.InsertRows(ctx, db, "REPLACE INTO t (id, txt) VALUES (?, ?)", rowsOf([][]any{{6, "six"}}, nil)); err != nil || n != 2 {
		t.Error(n, err)
	}
	if d := cmp.Diff([]string{"2|Ab", "5|e", "6|six"}, texts(t, db, "SELECT id, txt FROM t WHERE id IN (2, 5, 6)")); d != "" {
		t.Error(d)
	}
	if n, err = kalam.InsertRows(ctx, db, "INSERT INTO t (id) VALUES (?)", rowsOf(nil, nil)); err != nil || n != 0 {
		t.Error(n, err)
	}
}

// TestInsertRowsMany checks that slices may be used again, and that all or none are inserted.
func TestInsertRowsMany(t *testing.T) {
	t.Parallel()
	db := open(t, "CREATE TABLE t (id INT PRIMARY KEY, txt VARCHAR(30))")
	ctx := t.Context()
	const many = 5000
	if n, err := kalam.InsertRows(ctx, db, "INSERT INTO t VALUES (?, ?)", counted(many)); err != nil || n != many {
		t.Fatal(n, err)
	}
	check := func(want int) {
		t.Helper()
		if got := texts(t, db, "SELECT COUNT(*), SUM(txt <> CONCAT('text ', id)) FROM t"); got[0] != fmt.Sprintf("%d|0", want) {
			t.Errorf("%d rows wanted, and none that is wrong: %s", want, got)
		}
	}
	check(many)
	later := func(n int, err error) iter.Seq2[[]any, error] {
		return func(yield func([]any, error) bool) {
			for r := range counted(n) {
				if !yield([]any{r[0].(int) + many, "text " + fmt.Sprint(r[0].(int)+many)}, nil) {
					return
				}
			}
			yield([]any{17, "text 17"}, err) // a duplicate, or an error
		}
	}
	if _, err := kalam.InsertRows(ctx, db, "INSERT INTO t VALUES (?, ?)", later(3000, nil)); !errors.Is(err, kalam.ErrDuplicateEntry) {
		t.Error(err)
	}
	if _, err := kalam.InsertRows(ctx, db, "INSERT INTO t VALUES (?, ?)", later(3000, io.ErrUnexpectedEOF)); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Error(err)
	}
	if _, err := kalam.InsertRows(ctx, db, "INSERT INTO t VALUES (?, ?)", later(100, io.ErrUnexpectedEOF)); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Error(err)
	}
	check(many)
	// In a transaction, which goes on after an error.
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	if _, err := kalam.InsertRows(ctx, tx, "INSERT INTO t VALUES (?, ?)", later(10, nil)); !errors.Is(err, kalam.ErrDuplicateEntry) {
		t.Error(err)
	}
	if n, err := kalam.InsertRows(ctx, tx, "INSERT INTO t VALUES (?, ?)", rowsOf([][]any{{many, "text 5000"}}, nil)); err != nil || n != 1 {
		t.Error(n, err)
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	check(many + 1)
	// A context that ends.
	ending, stop := context.WithCancel(ctx)
	endless := func(yield func([]any, error) bool) {
		for i := many + 1; yield([]any{i, nil}, nil); i++ {
			if i == many+3000 {
				stop()
			}
		}
	}
	if _, err := kalam.InsertRows(ending, db, "INSERT INTO t VALUES (?, ?)", endless); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	check(many + 1)
}

// TestInsertRowsEnds has rows end in other ways than by themselves: InsertRows returns when who yields
// them has, and the connection serves on.
func TestInsertRowsEnds(t *testing.T) {
	t.Parallel()
	db := open(t, "CREATE TABLE t (id INT PRIMARY KEY, txt LONGTEXT)")
	ctx := t.Context()
	insert := func(ctx context.Context, rows iter.Seq2[[]any, error]) error {
		_, err := kalam.InsertRows(ctx, db, "INSERT INTO t VALUES (?, ?)", rows)
		return err
	}
	for _, n := range []int{0, 10, 5000} { // before the types are known, and after
		err := insert(ctx, func(yield func([]any, error) bool) {
			for i := range n {
				yield([]any{i, "x"}, nil)
			}
			panic("no more")
		})
		if err == nil || !strings.Contains(err.Error(), "The rows to insert failed: no more") {
			t.Error(n, err)
		}
		exited := make(chan bool)
		go func() {
			defer close(exited)
			err := insert(ctx, func(yield func([]any, error) bool) {
				for i := range n {
					yield([]any{i, "x"}, nil)
				}
				runtime.Goexit()
			})
			t.Errorf("the goroutine goes on: %v", err)
		}()
		<-exited
		ended := false
		err = insert(ctx, func(yield func([]any, error) bool) {
			defer func() { ended = true }()
			for i := 0; i < 1<<30 && yield([]any{min(i, n), "x"}, nil); i++ {
			}
		})
		if !errors.Is(err, kalam.ErrDuplicateEntry) || !ended {
			t.Errorf("%v, ended: %v", err, ended)
		}
		waiting, stop := context.WithCancel(ctx)
		err = insert(waiting, func(yield func([]any, error) bool) {
			for i := range n {
				yield([]any{i, "x"}, nil)
			}
			stop()
			<-waiting.Done()
			for range 5 {
				yield([]any{n + 1, "x"}, nil)
			}
		})
		if !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	}
	// An error comes with what is left in the slice, and who yields asks for the end at once.
	failing := func(yield func([]any, error) bool) {
		row := []any{int32(1), "x"}
		yield(row, nil)
		yield(row, io.ErrUnexpectedEOF)
	}
	if err := insert(ctx, failing); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Error(err)
	}
	asked := 0
	err := insert(ctx, func(yield func([]any, error) bool) {
		for i := range 2000 {
			yield([]any{min(i, 1500), "x"}, nil)
		}
		for ; yield([]any{3000, "x"}, nil); time.Sleep(time.Millisecond) {
			asked++
		}
	})
	if !errors.Is(err, kalam.ErrDuplicateEntry) || asked > 900 {
		t.Error(err, asked)
	}
	// Long rows do not settle what type a column has.
	err = insert(ctx, func(yield func([]any, error) bool) {
		for i := range 30 {
			var txt any
			if i == 29 {
				txt = []byte{'x'}
			} else if i%10 == 0 {
				txt = strings.Repeat("x", 1<<17)
			}
			yield([]any{-1 - i, txt}, nil)
		}
	})
	if got := texts(t, db, "SELECT COUNT(txt) FROM t"); err != nil || got[0] != "4" {
		t.Error(got, err)
	}
	texts(t, db, "DELETE FROM t")
	long := strings.Repeat("long ", 1<<18)
	err = insert(ctx, func(yield func([]any, error) bool) {
		for i := range 50 {
			yield([]any{i, long}, nil)
		}
	})
	if got := texts(t, db, "SELECT COUNT(*), SUM(LENGTH(txt)) FROM t"); err != nil || got[0] != fmt.Sprintf("50|%d", 50*len(long)) {
		t.Error(got, err)
	}
}

func TestInsertRowsRefused(t *testing.T) {
	t.Parallel()
	db := open(t, "CREATE TABLE t (id INT PRIMARY KEY, txt VARCHAR(5)); CREATE USER TABLE own (id INT PRIMARY KEY)")

	two := [][]any{{1, "a"}, {2, "b"}}
	filler := func(n int, last ...any) (list [][]any) {
		for i := range n {
			list = append(list, []any{i, nil})
		}
		return append(list, last)
	}
	for _, c := range []struct {
		query string
		rows  [][]any
		want  string
	}{
		{"SELECT ?, ?", two, "1235"},
		{"INSERT INTO t VALUES (?, ?); SELECT 1", two, "1235"},
		{"INSERT INTO t VALUES (?, ?) RETURNING id", two, "1235"},
		{"INSERT INTO t VALUES (?, ?), (3, 'c')", two, "1235"},
		{"INSERT INTO t VALUES (?, 'x') ON DUPLICATE KEY UPDATE txt = ?", two, "1235"},
		{"INSERT INTO t SELECT ?, ?", two, "The statement has no VALUES with parameters"},
		{"INSERT INTO t VALUES (1, 'x')", two, "The statement has no VALUES with parameters"},
		{"INSERT INTO t VALUES (:a, :b)", two, "named parameters"},
		{"INSERT INTO t VALUES (?, ?, ?)", [][]any{{1, "a", 3}}, "1136"},
		{"INSERT INTO t VALUES (?, ?)", [][]any{{1, "a"}, {2}}, "row 2 has 1 arguments"},
		{"INSERT INTO t VALUES (?, ?)", [][]any{{1, make(chan int)}}, "Row 1: a chan int cannot be a SQL value"},
		{"INSERT INTO t VALUES (?, ?)", [][]any{{1, "a"}, {2, "too long"}}, "1406"},
		{"INSERT INTO t VALUES (?, ?)", [][]any{{nil, "a"}}, "1048"},
		{"INSERT INTO t VALUES (?, ?)", [][]any{{"x", "a"}}, "1366"},
		{"INSERT INTO t VALUES (?, ?)", filler(2000, "3000", "a"), "Argument 1 of row 2001 is a string, those of the first rows are an integer"},
		{"INSERT INTO t VALUES (?, ?)", filler(2000, uint64(1<<63), "a"), "Argument 1 of row 2001"},
		{"INSERT INTO t VALUES (?, ?)", filler(2000, 2000, []byte("\xff")), "Argument 2 of row 2001 is bytes"},
		{"INSERT INTO nowhere VALUES (?)", [][]any{{1}}, "1146"},
	} {
		_, err := kalam.InsertRows(t.Context(), db, c.query, rowsOf(c.rows, nil))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v lacks %s", c.query, err, c.want)
		}
	}
	if got := texts(t, db, "SELECT COUNT(*) FROM t"); got[0] != "0" {
		t.Errorf("%s rows were inserted", got)
	}
	alice := kalam.WithUser(t.Context(), "alice")
	if n, err := kalam.InsertRows(alice, db, "INSERT INTO own VALUES (?)", rowsOf([][]any{{1}, {2}}, nil)); err != nil || n != 2 {
		t.Error(n, err)
	}
	if got := texts(t, db, "SELECT COUNT(*) FROM own"); got[0] != "0" {
		t.Errorf("alice's rows are another's: %s", got)
	}
	if _, err := kalam.InsertRows(alice, db, "INSERT INTO t VALUES (?, ?)", rowsOf(two, nil)); !errors.Is(err, kalam.ErrAccessDenied) {
		t.Error(err)
	}
}
