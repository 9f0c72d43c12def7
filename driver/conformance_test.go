package driver_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

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

func TestMemoryIsOneDatabaseForAPool(t *testing.T) {
	t.Parallel()
	db := memory(t, "CREATE TABLE t (a INT PRIMARY KEY)")
	db.SetMaxIdleConns(0) // every use is a new connection
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() { exec(t, db, "INSERT INTO t VALUES (?)", i) })
	}
	wg.Wait()
	if n := one[int](t, db, "SELECT COUNT(*) FROM t"); n != 20 {
		t.Errorf("%d rows, want 20", n)
	}
	other := memory(t)
	_, err := other.Exec("SELECT * FROM t")
	wantKind(t, err, sqlerr.NoSuchTable)
}

func TestNamedMemoryIsShared(t *testing.T) {
	t.Parallel()
	dsn := "file:" + t.Name() + "?mode=memory"
	a, b := open(t, dsn), open(t, dsn)
	exec(t, a, "CREATE TABLE t (a INT)")
	exec(t, b, "INSERT INTO t VALUES (1)")
	if n := one[int](t, a, "SELECT COUNT(*) FROM t"); n != 1 {
		t.Errorf("%d rows, want 1", n)
	}
}

func TestOnePathOneEngine(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "app.kdb")
	a := open(t, path)
	exec(t, a, "CREATE TABLE t (a INT)")
	link := filepath.Join(dir, "link")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	for _, dsn := range []string{path, "file:" + path, filepath.Join(dir, ".", "app.kdb"), link, "file:" + path + "?readonly=true"} {
		b, err := sql.Open("kalam", dsn)
		if err != nil {
			t.Fatal(err)
		}
		if n := one[int](t, b, "SELECT COUNT(*) FROM t"); n != 0 {
			t.Errorf("%s: %d rows", dsn, n)
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	}
	exec(t, a, "INSERT INTO t VALUES (1)") // still open
}

func TestReopen(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "app.kdb")
	for i := range 3 {
		db, err := sql.Open("kalam", path)
		if err != nil {
			t.Fatal(err)
		}
		exec(t, db, "CREATE TABLE IF NOT EXISTS t (a INT)")
		exec(t, db, "INSERT INTO t VALUES (?)", i)
		if n := one[int](t, db, "SELECT COUNT(*) FROM t"); n != i+1 {
			t.Errorf("%d rows, want %d", n, i+1)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestOpenErrors(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	foreign := filepath.Join(dir, "foreign")
	if err := os.Mkdir(foreign, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(foreign, "notes.txt"), []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		dsn  string
		kind *sqlerr.Kind
	}{
		{file, sqlerr.CantOpen},
		{foreign, sqlerr.NotADatabase},
		{"file:" + filepath.Join(dir, "none") + "?create=false", sqlerr.NoSuchDatabase},
		{"file:" + filepath.Join(dir, "none") + "?readonly=true", sqlerr.NoSuchDatabase},
	}
	for _, tt := range tests {
		db := open(t, tt.dsn)
		wantKind(t, db.Ping(), tt.kind)
	}
	if _, err := sql.Open("kalam", "file:a?colour=red"); !errors.Is(err, sqlerr.BadDSN) {
		t.Errorf("unknown option: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "none")); !os.IsNotExist(err) {
		t.Error("a refused database was made")
	}
	if b, err := os.ReadFile(filepath.Join(foreign, "notes.txt")); err != nil || string(b) != "mine" {
		t.Error("a foreign directory was touched")
	}
}

func TestConnector(t *testing.T) {
	t.Parallel()
	c, err := kalam.NewConnector(kalam.Config{Memory: true, Namespace: "default"})
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(c)
	if got := one[string](t, db, "SELECT DATABASE()"); got != "default" {
		t.Errorf("DATABASE() is %q", got)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Connect(t.Context()); !errors.Is(err, sqlerr.Closed) {
		t.Errorf("Connect after Close: %v", err)
	}
	if _, err := kalam.NewConnector(kalam.Config{}); !errors.Is(err, sqlerr.BadDSN) {
		t.Errorf("empty Config: %v", err)
	}
}

func TestParameters(t *testing.T) {
	t.Parallel()
	type myInt int32
	type myString string
	db := memory(t)
	n := 7
	var nilInt *int
	tests := []struct {
		arg  any
		want any
	}{
		{nil, nil},
		{nilInt, nil},
		{&n, int64(7)},
		{int8(-8), int64(-8)},
		{uint16(16), int64(16)},
		{myInt(32), int64(32)},
		{int64(math.MinInt64), int64(math.MinInt64)},
		{uint64(math.MaxUint64), uint64(math.MaxUint64)},
		{1.5, 1.5},
		{float32(0.1), float64(float32(0.1))},
		{true, int64(1)},
		{false, int64(0)},
		{"text ☃", "text ☃"},
		{"", ""},
		{myString("mine"), "mine"},
		{[]byte{0, 1, 255}, []byte{0, 1, 255}},
		{[]byte{}, []byte{}},
		{[]byte(nil), nil},
		{time.Date(2024, 2, 29, 12, 30, 15, 123456000, time.UTC), time.Date(2024, 2, 29, 12, 30, 15, 123456000, time.UTC)},
		{sql.NullString{String: "x", Valid: true}, "x"},
		{sql.NullInt64{}, nil},
		{sql.Null[string]{V: "y", Valid: true}, "y"},
		{valuer{"z"}, "z"},
		{(*valuer)(nil), nil},
	}
	for _, tt := range tests {
		var got any
		if err := db.QueryRow("SELECT ?", tt.arg).Scan(&got); err != nil {
			t.Errorf("%T %v: %v", tt.arg, tt.arg, err)
			continue
		}
		if f, ok := tt.arg.(float32); ok {
			if g, ok := got.(float64); !ok || float32(g) != f {
				t.Errorf("float32 %v came back as %v", f, got)
			}
			continue
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%T %v: -want +got\n%s", tt.arg, tt.arg, diff)
		}
	}
	for _, bad := range []any{struct{ A int }{1}, make(chan int), []int{1}, complex(1, 2)} {
		var got any
		if err := db.QueryRow("SELECT ?", bad).Scan(&got); err == nil {
			t.Errorf("%T was taken as %v", bad, got)
		}
	}
}

type valuer struct{ s string }

func (v valuer) Value() (driver.Value, error) { return v.s, nil }

func TestNamedParameters(t *testing.T) {
	t.Parallel()
	db := memory(t, "CREATE TABLE t (a INT PRIMARY KEY, b VARCHAR(10))", "INSERT INTO t VALUES (1,'x'),(2,'y')")
	if got := one[string](t, db, "SELECT b FROM t WHERE a = :a AND :a > 1", sql.Named("a", 2)); got != "y" {
		t.Errorf("got %q", got)
	}
	var s string
	err := db.QueryRow("SELECT b FROM t WHERE a = :a", sql.Named("b", 2)).Scan(&s)
	wantKind(t, err, sqlerr.WrongArguments)
	_, err = db.Exec("INSERT INTO t VALUES (?, ?)", 1)
	if err == nil {
		t.Error("one argument for two parameters was taken")
	}
	_, err = db.Exec("INSERT INTO t VALUES (?, 'a')", 1, 2)
	if err == nil {
		t.Error("two arguments for one parameter were taken")
	}
	if n := one[int](t, db, "SELECT COUNT(*) FROM t"); n != 2 {
		t.Errorf("%d rows, want 2", n)
	}
}

func TestColumnTypes(t *testing.T) {
	t.Parallel()
	db := memory(t, `CREATE TABLE t (
		id BIGINT PRIMARY KEY, u INT UNSIGNED NOT NULL, d DECIMAL(10,2), f DOUBLE NOT NULL, v VARCHAR(20) NOT NULL,
		b VARBINARY(8), ts DATETIME(3) NOT NULL, dt DATE, j JSON, flag BOOL)`,
		`INSERT INTO t VALUES (1, 2, '3.50', 4.5, 'five', x'0607', '2024-01-02 03:04:05.678', '2024-01-02', '{"a": 1}', TRUE)`)
	rows, err := db.Query("SELECT * FROM t")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	types, err := rows.ColumnTypes()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range types {
		nullable, _ := c.Nullable()
		s := fmt.Sprintf("%s %s %v null=%v", c.Name(), c.DatabaseTypeName(), c.ScanType(), nullable)
		if n, ok := c.Length(); ok {
			s += fmt.Sprintf(" length=%d", n)
		}
		if p, sc, ok := c.DecimalSize(); ok {
			s += fmt.Sprintf(" size=%d,%d", p, sc)
		}
		got = append(got, s)
	}
	want := []string{
		"id BIGINT int64 null=false",
		"u UNSIGNED INT uint64 null=false",
		"d DECIMAL sql.NullString null=true size=10,2",
		"f DOUBLE float64 null=false",
		"v VARCHAR string null=false length=20",
		"b VARBINARY []uint8 null=true length=8",
		"ts DATETIME time.Time null=false size=3,3",
		"dt DATE sql.NullTime null=true",
		"j JSON json.RawMessage null=true",
		"flag TINYINT sql.NullInt64 null=true",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	values := make([]any, len(types))
	if !rows.Next() {
		t.Fatal(rows.Err())
	}
	for i := range values {
		values[i] = new(any)
	}
	if err := rows.Scan(values...); err != nil {
		t.Fatal(err)
	}
	for i := range values {
		values[i] = *values[i].(*any)
	}
	wantValues := []any{int64(1), int64(2), "3.50", 4.5, "five", []byte{6, 7},
		time.Date(2024, 1, 2, 3, 4, 5, 678e6, time.UTC), time.Date(2024, 1, 2, 0, 0, 0, 0, time.UTC), []byte(`{"a": 1}`), int64(1)}
	if diff := cmp.Diff(wantValues, values); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func TestScanInto(t *testing.T) {
	t.Parallel()
	db := memory(t)
	var (
		b    bool
		raw  json.RawMessage
		tm   time.Time
		null sql.Null[int]
		u    uint64
		s    string
	)
	err := db.QueryRow(`SELECT 1, CAST('{"k": [1, 2]}' AS JSON), CAST('2024-05-06 07:08:09' AS DATETIME), NULL, 18446744073709551615, 12.50`).
		Scan(&b, &raw, &tm, &null, &u, &s)
	if err != nil {
		t.Fatal(err)
	}
	got := []any{b, string(raw), tm, null, u, s}
	want := []any{true, `{"k": [1, 2]}`, time.Date(2024, 5, 6, 7, 8, 9, 0, time.UTC), sql.Null[int]{}, uint64(math.MaxUint64), "12.50"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func TestLocation(t *testing.T) {
	t.Parallel()
	oslo, err := time.LoadLocation("Europe/Oslo")
	if err != nil {
		t.Skip("no time zone data on this machine")
	}
	dsn := "file:" + t.Name() + "?mode=memory"
	db, utc := open(t, dsn+"&loc=Europe/Oslo"), open(t, dsn)
	exec(t, db, "CREATE TABLE t (ts TIMESTAMP(6), dt DATETIME(6))")
	when := time.Date(2024, 7, 1, 12, 0, 0, 5000, time.UTC)
	exec(t, db, "INSERT INTO t VALUES (?, ?)", when, when)
	var ts, dt time.Time
	if err := db.QueryRow("SELECT ts, dt FROM t").Scan(&ts, &dt); err != nil {
		t.Fatal(err)
	}
	if !ts.Equal(when) || !dt.Equal(when) || ts.Location().String() != oslo.String() {
		t.Errorf("got %v and %v, want %v", ts, dt, when)
	}
	if err := utc.QueryRow("SELECT ts, dt FROM t").Scan(&ts, &dt); err != nil {
		t.Fatal(err)
	}
	if !ts.Equal(when) {
		t.Errorf("TIMESTAMP in UTC is %v, want %v", ts, when)
	}
	if want := "2024-07-01 14:00:00"; dt.Format(time.DateTime) != want {
		t.Errorf("DATETIME in UTC is %v, want the wall clock %s", dt, want)
	}
}

func TestResults(t *testing.T) {
	t.Parallel()
	db := memory(t, "CREATE TABLE t (id BIGINT AUTO_INCREMENT PRIMARY KEY, a INT UNIQUE, b INT)")
	tests := []struct {
		query    string
		affected int64
		lastID   int64
	}{
		{"INSERT INTO t (a, b) VALUES (1, 1), (2, 2), (3, 3)", 3, 1},
		{"INSERT INTO t (a, b) VALUES (4, 4)", 1, 4},
		{"UPDATE t SET b = 9", 4, 0},
		{"UPDATE t SET b = 9", 0, 0},
		{"INSERT INTO t (a, b) VALUES (1, 5) ON DUPLICATE KEY UPDATE b = 5", 2, 1},
		{"REPLACE INTO t (id, a, b) VALUES (2, 2, 7)", 2, 2},
		{"DELETE FROM t WHERE id > 2", 2, 0},
	}
	for _, tt := range tests {
		r := exec(t, db, tt.query)
		affected, _ := r.RowsAffected()
		lastID, _ := r.LastInsertId()
		if affected != tt.affected || lastID != tt.lastID {
			t.Errorf("%s: affected %d, last id %d; want %d, %d", tt.query, affected, lastID, tt.affected, tt.lastID)
		}
	}
}

func TestSeveralStatements(t *testing.T) {
	t.Parallel()
	db := memory(t)
	rows, err := db.Query(`CREATE TABLE t (a INT); INSERT INTO t VALUES (1),(2); SELECT a FROM t ORDER BY a; SELECT 'x', 'y'; INSERT INTO t VALUES (3)`)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for {
		columns, err := rows.Columns()
		if err != nil {
			t.Fatal(err)
		}
		for rows.Next() {
			values := make([]string, len(columns))
			ptrs := make([]any, len(columns))
			for i := range values {
				ptrs[i] = &values[i]
			}
			if err := rows.Scan(ptrs...); err != nil {
				t.Fatal(err)
			}
			got = append(got, strings.Join(values, ","))
		}
		if !rows.NextResultSet() {
			break
		}
		got = append(got, "-")
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"1", "2", "-", "x,y"}, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if n := one[int](t, db, "SELECT COUNT(*) FROM t"); n != 3 {
		t.Errorf("%d rows, want 3: all statements run", n)
	}
	if _, err := db.Exec("INSERT INTO t VALUES (?); INSERT INTO t VALUES (?)", 4, 5); err != nil {
		t.Error(err)
	}
	if n := one[int](t, db, "SELECT SUM(a) FROM t"); n != 15 {
		t.Errorf("sum is %d, want 15", n)
	}
}

// Errors appear at Exec, Query or Prepare, not at the first Next.
func TestQueryErrors(t *testing.T) {
	t.Parallel()
	db := memory(t, "CREATE TABLE t (a BIGINT PRIMARY KEY)", "INSERT INTO t VALUES (9223372036854775807)")
	tests := []struct {
		query string
		kind  *sqlerr.Kind
	}{
		{"SELEC 1", sqlerr.Syntax},
		{"", sqlerr.EmptyQuery},
		{"SELECT nope FROM t", sqlerr.UnknownColumn},
		{"SELECT * FROM nope", sqlerr.NoSuchTable},
		{"SELECT a + 1 FROM t", sqlerr.DataOutOfRange},
		{"INSERT INTO t VALUES (9223372036854775807)", sqlerr.DupEntry},
		{"INSERT INTO t VALUES (NULL)", sqlerr.ColumnNotNull},
	}
	for _, tt := range tests {
		rows, err := db.Query(tt.query)
		if err == nil {
			rows.Close()
		}
		wantKind(t, err, tt.kind)
		_, err = db.Exec(tt.query)
		wantKind(t, err, tt.kind)
	}
	for _, query := range []string{"SELEC 1", "SELECT nope FROM t", "SELECT * FROM nope"} {
		if s, err := db.Prepare(query); err == nil {
			s.Close()
			t.Errorf("%s was prepared", query)
		}
	}
	if n := one[int](t, db, "SELECT COUNT(*) FROM t"); n != 1 {
		t.Errorf("%d rows, want 1", n)
	}
}

func TestTransactions(t *testing.T) {
	t.Parallel()
	db := memory(t, "CREATE TABLE t (a INT PRIMARY KEY)")
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	exec(t, tx, "INSERT INTO t VALUES (1)")
	if n := one[int](t, tx, "SELECT COUNT(*) FROM t"); n != 1 {
		t.Errorf("own write unseen")
	}
	if n := one[int](t, db, "SELECT COUNT(*) FROM t"); n != 0 {
		t.Errorf("uncommitted write seen")
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	if n := one[int](t, db, "SELECT COUNT(*) FROM t"); n != 1 {
		t.Errorf("commit lost")
	}
	tx, err = db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	exec(t, tx, "DELETE FROM t")
	_, err = tx.Exec("INSERT INTO t VALUES (2), (2)")
	wantKind(t, err, sqlerr.DupEntry)
	if n := one[int](t, tx, "SELECT COUNT(*) FROM t"); n != 0 {
		t.Errorf("half a statement stayed: %d rows", n)
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	if n := one[int](t, db, "SELECT COUNT(*) FROM t"); n != 1 {
		t.Errorf("rollback kept a delete")
	}
}

func TestTxOptions(t *testing.T) {
	t.Parallel()
	db := memory(t, "CREATE TABLE t (a INT PRIMARY KEY)")
	tx, err := db.BeginTx(t.Context(), &sql.TxOptions{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	_, err = tx.Exec("INSERT INTO t VALUES (1)")
	wantKind(t, err, sqlerr.ReadOnly)
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	for _, level := range []sql.IsolationLevel{sql.LevelWriteCommitted, sql.LevelLinearizable} {
		if tx, err := db.BeginTx(t.Context(), &sql.TxOptions{Isolation: level}); err == nil {
			tx.Rollback()
			t.Errorf("isolation level %v was taken", level)
		}
	}
	tx, err = db.BeginTx(t.Context(), &sql.TxOptions{Isolation: sql.LevelSnapshot})
	if err != nil {
		t.Fatal(err)
	}
	if n := one[int](t, tx, "SELECT COUNT(*) FROM t"); n != 0 {
		t.Fatal("rows in an empty table")
	}
	exec(t, db, "INSERT INTO t VALUES (1)")
	if n := one[int](t, tx, "SELECT COUNT(*) FROM t"); n != 0 {
		t.Error("a snapshot moved")
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
}

func TestReadOnlyDatabase(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "app.kdb")
	rw := open(t, path)
	exec(t, rw, "CREATE TABLE t (a INT)")
	if err := rw.Close(); err != nil {
		t.Fatal(err)
	}
	ro := open(t, "file:"+path+"?readonly=true")
	for _, query := range []string{"INSERT INTO t VALUES (1)", "CREATE TABLE u (a INT)", "DROP TABLE t", "UPDATE t SET a = 1", "DELETE FROM t"} {
		_, err := ro.Exec(query)
		wantKind(t, err, sqlerr.ReadOnly)
	}
	if n := one[int](t, ro, "SELECT COUNT(*) FROM t"); n != 0 {
		t.Errorf("%d rows", n)
	}
	wantKind(t, open(t, path).Ping(), sqlerr.DatabaseInUse)
}

// A transaction's connection serves statements while Rows of it are open, and
// those see the state of their start.
func TestRowsLeftOpen(t *testing.T) {
	t.Parallel()
	db := memory(t, "CREATE TABLE t (a INT PRIMARY KEY)")
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	for i := range 3000 {
		exec(t, tx, "INSERT INTO t VALUES (?)", i)
	}
	rows, err := tx.Query("SELECT a FROM t ORDER BY a")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for rows.Next() {
		if n == 0 {
			exec(t, tx, "DELETE FROM t")
		}
		n++
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		t.Fatal(err)
	}
	if n != 3000 {
		t.Errorf("%d rows, want 3000", n)
	}
	left, err := tx.Query("SELECT 1")
	if err != nil {
		t.Fatal(err)
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	left.Close()
	if n := one[int](t, db, "SELECT COUNT(*) FROM t"); n != 0 {
		t.Errorf("%d rows after rollback", n)
	}
}

func TestAutocommitRowsHoldTheirSnapshot(t *testing.T) {
	t.Parallel()
	db := memory(t, "CREATE TABLE t (a INT PRIMARY KEY)")
	stmt, err := db.Prepare("INSERT INTO t VALUES (?)")
	if err != nil {
		t.Fatal(err)
	}
	defer stmt.Close()
	for i := range 5000 {
		if _, err := stmt.Exec(i); err != nil {
			t.Fatal(err)
		}
	}
	rows, err := db.Query("SELECT a FROM t")
	if err != nil {
		t.Fatal(err)
	}
	exec(t, db, "TRUNCATE TABLE t")
	n := 0
	for rows.Next() {
		n++
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		t.Fatal(err)
	}
	if n != 5000 {
		t.Errorf("%d rows, want 5000", n)
	}
}

func TestConcurrentUse(t *testing.T) {
	t.Parallel()
	db := memory(t, "CREATE TABLE c (id INT PRIMARY KEY, n INT)", "INSERT INTO c VALUES (1, 0)")
	const workers, rounds = 16, 20
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for range rounds {
				if _, err := db.Exec("UPDATE c SET n = n + 1 WHERE id = 1"); err != nil {
					t.Error(err)
					return
				}
				var n int
				if err := db.QueryRow("SELECT n FROM c WHERE id = 1").Scan(&n); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	if n := one[int](t, db, "SELECT n FROM c"); n != workers*rounds {
		t.Errorf("n is %d, want %d", n, workers*rounds)
	}
}

func TestCancellation(t *testing.T) {
	t.Parallel()
	db := memory(t, "CREATE TABLE t (a INT PRIMARY KEY, b INT)")
	db.SetMaxOpenConns(1)
	var values []string
	for i := range 2000 {
		values = append(values, fmt.Sprintf("(%d,%d)", i, i*7919%2000))
	}
	exec(t, db, "INSERT INTO t VALUES "+strings.Join(values, ","))
	for name, query := range map[string]string{
		"scan":  "SELECT COUNT(*) FROM t x JOIN t y JOIN t z WHERE x.b + y.b + z.b = -1",
		"sort":  "SELECT x.a, y.b FROM t x JOIN t y ORDER BY x.b * y.b, x.a LIMIT 1999999, 1",
		"group": "SELECT COUNT(*) FROM (SELECT x.a + y.a * 10000 AS k, COUNT(*) AS n FROM t x JOIN t y GROUP BY x.a + y.a * 10000) d",
	} {
		ctx, cancel := context.WithCancel(t.Context())
		var cancelled time.Time
		time.AfterFunc(100*time.Millisecond, func() { cancelled = time.Now(); cancel() })
		rows, err := db.QueryContext(ctx, query)
		if err == nil {
			for rows.Next() {
			}
			err = rows.Err()
			rows.Close()
		}
		took := time.Since(cancelled)
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: error is %v, want context.Canceled", name, err)
		}
		// The promise is 50 ms; a loaded machine gets leave.
		if took > 2*time.Second {
			t.Errorf("%s: stopped %v after the cancellation", name, took)
		}
		if n := one[int](t, db, "SELECT COUNT(*) FROM t"); n != 2000 {
			t.Errorf("%s: the connection counts %d rows", name, n)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := db.ExecContext(ctx, "DELETE FROM t"); !errors.Is(err, context.Canceled) {
		t.Errorf("Exec with an ended context: %v", err)
	}
}

func TestSessionStateIsReset(t *testing.T) {
	t.Parallel()
	db := memory(t, "CREATE DATABASE other")
	db.SetMaxOpenConns(1)
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	exec(t, conn, "USE other")
	exec(t, conn, "BEGIN")
	exec(t, conn, "CREATE TABLE t (a INT)")
	exec(t, conn, "BEGIN")
	exec(t, conn, "INSERT INTO t VALUES (1)")
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	if got := one[string](t, db, "SELECT DATABASE()"); got != "default" {
		t.Errorf("DATABASE() is %q in a reused connection", got)
	}
	if n := one[int](t, db, "SELECT COUNT(*) FROM other.t"); n != 0 {
		t.Error("an open transaction went on in a reused connection")
	}
}

func TestUseAfterClose(t *testing.T) {
	t.Parallel()
	db, err := sql.Open("kalam", ":memory:")
	if err != nil {
		t.Fatal(err)
	}
	stmt, err := db.Prepare("SELECT 1")
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if err := db.Ping(); err == nil {
		t.Error("Ping after Close")
	}
	if _, err := stmt.Exec(); err == nil {
		t.Error("Exec after Close")
	}
}

func TestPreparedStatementSeesNewSchema(t *testing.T) {
	t.Parallel()
	db := memory(t, "CREATE TABLE t (a INT)", "INSERT INTO t VALUES (1)")
	stmt, err := db.Prepare("SELECT * FROM t")
	if err != nil {
		t.Fatal(err)
	}
	defer stmt.Close()
	var a, b string
	if err := stmt.QueryRow().Scan(&a); err != nil {
		t.Fatal(err)
	}
	exec(t, db, "DROP TABLE t")
	wantKind(t, stmt.QueryRow().Scan(&a), sqlerr.NoSuchTable)
	exec(t, db, "CREATE TABLE t (x VARCHAR(5), y VARCHAR(5))")
	exec(t, db, "INSERT INTO t VALUES ('p', 'q')")
	if err := stmt.QueryRow().Scan(&a, &b); err != nil || a != "p" || b != "q" {
		t.Errorf("got %q, %q, %v", a, b, err)
	}
}

func TestHugeValue(t *testing.T) {
	t.Parallel()
	db := memory(t, "CREATE TABLE t (a INT PRIMARY KEY, b LONGBLOB)")
	big := make([]byte, 20<<20)
	for i := range big {
		big[i] = byte(i * 7)
	}
	exec(t, db, "INSERT INTO t VALUES (1, ?), (2, ?)", big, big[:10])
	if got := one[[]byte](t, db, "SELECT b FROM t WHERE a = 1"); !reflect.DeepEqual(got, big) {
		t.Errorf("%d bytes came back changed", len(got))
	}
}

func TestNoGoroutinesLeft(t *testing.T) {
	before := runtime.NumGoroutine()
	for range 5 {
		db, err := sql.Open("kalam", filepath.Join(t.TempDir(), "app.kdb"))
		if err != nil {
			t.Fatal(err)
		}
		exec(t, db, "CREATE TABLE t (a INT)")
		exec(t, db, "INSERT INTO t VALUES (1)")
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
	deadline := time.Now().Add(5 * time.Second)
	for runtime.NumGoroutine() > before && time.Now().Before(deadline) {
		time.Sleep(10 * time.Millisecond)
	}
	if n := runtime.NumGoroutine(); n > before {
		buf := make([]byte, 1<<16)
		t.Errorf("%d goroutines, %d before\n%s", n, before, buf[:runtime.Stack(buf, true)])
	}
}
