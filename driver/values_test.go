package driver_test

import (
	"database/sql"
	"database/sql/driver"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kalamgo/kalam/engine/sqlerr"
)

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

// TestGeometry passes geometries as bytes in the internal form, and as text to functions.
func TestGeometry(t *testing.T) {
	t.Parallel()
	db := memory(t, "CREATE TABLE t (id INT PRIMARY KEY, p POINT SRID 0)")
	inner, err := hex.DecodeString("000000000101000000000000000000F03F0000000000000040")
	if err != nil {
		t.Fatal(err)
	}
	exec(t, db, "INSERT INTO t VALUES (1, ?), (2, ST_GeomFromText(?)), (3, ?)", inner, "POINT(1 2)", nil)
	_, err = db.Exec("INSERT INTO t VALUES (4, ?)", "POINT(1 2)")
	wantKind(t, err, sqlerr.NoGeometry)
	_, err = db.Exec("INSERT INTO t VALUES (4, ?)", inner[:20])
	wantKind(t, err, sqlerr.NoGeometry)
	if got := one[string](t, db, "SELECT GROUP_CONCAT(ST_AsText(p)) FROM t WHERE p = ? AND ST_Contains(?, p)", inner, inner); got != "POINT(1 2),POINT(1 2)" {
		t.Errorf("got %q", got)
	}
	rows, err := db.Query("SELECT p FROM t ORDER BY id")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	types, err := rows.ColumnTypes()
	if err != nil {
		t.Fatal(err)
	}
	if c := types[0]; c.DatabaseTypeName() != "GEOMETRY" || c.ScanType() != reflect.TypeFor[[]byte]() {
		t.Errorf("type %s, scanned as %s", c.DatabaseTypeName(), c.ScanType())
	}
	if n, ok := types[0].Length(); !ok || n != math.MaxInt64 {
		t.Errorf("length %d, %t", n, ok)
	}
	var got [][]byte
	for rows.Next() {
		var p []byte
		if err := rows.Scan(&p); err != nil {
			t.Fatal(err)
		}
		got = append(got, p)
	}
	if diff := cmp.Diff([][]byte{inner, inner, nil}, got); diff != "" || rows.Err() != nil {
		t.Error(diff, rows.Err())
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
