package types

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"vitess.io/vitess/go/vt/sqlparser"

	"github.com/kalamgo/kalam/engine/sqlerr"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// columnType parses a column type as CREATE TABLE has it.
func columnType(t testing.TB, sql string) (Type, error) {
	t.Helper()
	if sql == "uuid" {
		return FromColumnType("c", &sqlparser.ColumnType{Type: sql})
	}
	stmt, err := sqlparser.NewTestParser().Parse("create table t (c " + sql + ")")
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return FromColumnType("c", stmt.(*sqlparser.CreateTable).TableSpec.Columns[0].Type)
}

func mustType(t testing.TB, sql string) Type {
	t.Helper()
	ct, err := columnType(t, sql)
	if err != nil {
		t.Fatal(err)
	}
	return ct
}

// literal reads a test's value: a SQL-like literal with its type.
func literal(t testing.TB, s string) (Type, Value) {
	t.Helper()
	kind, text, _ := strings.Cut(s, " ")
	unquoted, err := unescape(text)
	if err != nil {
		t.Fatalf("%s: %v", s, err)
	}
	from := TextType
	switch kind {
	case "null":
		return NullType, Value{}
	case "text":
		return from, NewString(unquoted)
	case "bin":
		return BytesType, NewString(unquoted)
	case "int":
		from = Int64Type
	case "uint":
		from = Uint64Type
	case "float":
		from = Float64Type
	case "dec":
		p, sc := len(strings.Trim(text, "-"))-1, 0
		if i := strings.IndexByte(text, '.'); i >= 0 {
			sc = len(text) - i - 1
		}
		from = DecimalType(max(p, sc, 1)+1, sc)
	default:
		from = mustType(t, kind)
	}
	v, err := Assign(&Target{Type: from, Column: "literal", Row: 1}, TextType, NewString(unquoted))
	if err != nil {
		t.Fatalf("%s: %v", s, err)
	}
	return from, v
}

func unescape(s string) (string, error) {
	return strconv.Unquote(`"` + strings.ReplaceAll(s, `"`, `\"`) + `"`)
}

// TestAssign stores each line's value into its section's column. A golden line
// is "value -> stored text", with the error and what IGNORE stores if it fails.
func TestAssign(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/assign/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no golden files: %v", err)
	}
	zone := time.FixedZone("east", 3600)
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var got strings.Builder
			var to Target
			for line := range strings.Lines(string(want)) {
				line = strings.TrimSuffix(line, "\n")
				if column, ok := strings.CutPrefix(line, "# "); ok {
					to = Target{Type: mustType(t, column), Column: "c", Row: 1, Zone: zone, Now: time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)}
				}
				if line == "" || line[0] == '#' {
					fmt.Fprintln(&got, line)
					continue
				}
				in, _, _ := strings.Cut(line, " -> ")
				from, v := literal(t, in)
				out, err := Assign(&to, from, v)
				fmt.Fprintf(&got, "%s -> %s", in, show(to.Type, out))
				if err != nil {
					fmt.Fprintf(&got, " | %v", err)
				}
				fmt.Fprintln(&got)
				checkVector(t, &to, from, v, out, err)
			}
			if *update {
				if err := os.WriteFile(file, []byte(got.String()), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(string(want), got.String()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func show(t Type, v Value) string {
	if v.IsNull() {
		return "NULL"
	}
	return fmt.Sprintf("%+q", AppendText(nil, t, v))
}

// checkVector checks that AssignVector does to a vector with v in it what Assign does.
func checkVector(t *testing.T, to *Target, from Type, v, out Value, err error) {
	t.Helper()
	src, dst := NewVector(from, 3), NewVector(to.Type, 3)
	src.AppendNull()
	src.AppendValue(v)
	src.AppendValue(v)
	// A slice has its values at other offsets than 0.
	row, vecErr := AssignVector(to, src.Slice(1, 3), dst)
	if (err == nil) != (vecErr == nil) || err != nil && row != 0 {
		t.Fatalf("AssignVector of %v to %s: row %d, %v; Assign: %v", v, to.Type.SQL(), row, vecErr, err)
	}
	at := *to
	warned := 0
	at.Ignore = func(*sqlerr.Error) { warned++ }
	if _, err := AssignVector(&at, src, dst); err != nil {
		t.Fatal(err)
	}
	if dst.Len() != 3 || !dst.IsNull(0) || !Equal(to.Type, dst.Value(1), out) || !Equal(to.Type, dst.Value(2), out) {
		t.Fatalf("AssignVector of %v to %s under IGNORE: %v", v, to.Type.SQL(), dst)
	}
	if err != nil && warned != 2 {
		t.Fatalf("%d warnings, want 2", warned)
	}
}

func TestAssignAllocatesNothing(t *testing.T) {
	to := map[string]Type{"int": mustType(t, "int"), "varchar(20)": mustType(t, "varchar(20)"), "decimal(10,2)": mustType(t, "decimal(10,2)"), "double": mustType(t, "double"), "datetime(6)": mustType(t, "datetime(6)")}
	for name, ct := range to {
		for _, v := range []struct {
			t Type
			v Value
		}{{Int64Type, NewInt(20260131)}, {TextType, NewString("20260131")}} {
			if ct.IsText() && v.t.IsInteger() {
				continue // makes new text
			}
			target := &Target{Type: ct, Column: "c", Row: 1}
			n := testing.AllocsPerRun(100, func() {
				if _, err := Assign(target, v.t, v.v); err != nil {
					t.Fatal(err)
				}
			})
			if n > 0 && !(name == "double" && v.t.IsText()) {
				t.Errorf("%s from %s: %v allocations", name, v.t.Name(), n)
			}
		}
	}
}

// TestTimestampGap: a time that the zone's clocks skip is no TIMESTAMP.
func TestTimestampGap(t *testing.T) {
	t.Parallel()
	oslo, err := time.LoadLocation("Europe/Oslo")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ column, in, want, err string }{
		{"TIMESTAMP", "2024-03-31 02:30:00", "2024-03-31 03:30:00", "Error 1292 (22007): Incorrect datetime value: '2024-03-31 02:30:00' for column 'c' at row 1"},
		{"TIMESTAMP", "2024-03-31 01:59:59", "2024-03-31 01:59:59", ""},
		{"TIMESTAMP", "2024-03-31 03:00:00", "2024-03-31 03:00:00", ""},
		{"TIMESTAMP", "2024-10-27 02:30:00", "2024-10-27 02:30:00", ""}, // twice that night
		{"TIMESTAMP", "2024-03-31 00:30:00+00:00", "2024-03-31 01:30:00", ""},
		{"DATETIME", "2024-03-31 02:30:00", "2024-03-31 02:30:00", ""},
	} {
		to := Target{Type: mustType(t, tt.column), Column: "c", Row: 1, Zone: oslo}
		out, err := Assign(&to, TextType, NewString(tt.in))
		message := ""
		if err != nil {
			message = err.Error()
		}
		if got := string(AppendText(nil, to.Type, out)); got != tt.want || message != tt.err {
			t.Errorf("%s %s: %s, %q", tt.column, tt.in, got, message)
		}
	}
}

// TestAssignTextVector compares what texts become in a vector with what each becomes by
// itself.
func TestAssignTextVector(t *testing.T) {
	t.Parallel()
	texts := []string{"0", "-0", "7", "-7", "127", "128", "-128", "-129", "255", "256", "007", "999999999999999", "1000000000000000", "-999999999999999",
		"2147483647", "2147483648", "18446744073709551615", "", "-", ".", "1.", ".5", "-.5", "0.1", "0.3", "123456789.123456", "1.00000000000001", "1.000000000000001",
		"12.5", "1.2.3", "1e3", "+5", " 5", "5 ", "5x", "nan", "0.000000000000001", "99999999999999.9"}
	src := NewVector(TextType, 0)
	for _, s := range texts {
		src.AppendBytes([]byte(s))
	}
	src.AppendNull()
	for _, typ := range []Type{Int64Type, Uint64Type, {Kind: TinyInt, Size: -1}, {Kind: TinyInt, Size: -1, Unsigned: true}, {Kind: Int, Size: -1}, Float64Type, {Kind: Double, Size: -1, Unsigned: true}, {Kind: Float, Size: -1}} {
		var errs []string
		to := Target{Type: typ, Column: "c", Row: 1, Ignore: func(e *sqlerr.Error) { errs = append(errs, e.Error()) }}
		dst := NewVector(typ, 0)
		if _, err := AssignVector(&to, src, dst); err != nil {
			t.Errorf("%v: %v", typ, err)
			continue
		}
		for i := range src.Len() {
			one := Target{Type: typ, Column: "c", Row: 1 + i}
			want, err := Assign(&one, TextType, src.Value(i))
			if got := dst.Value(i); got.IsNull() != want.IsNull() || !want.IsNull() && got.Uint() != want.Uint() {
				t.Errorf("%v: %q becomes %v, by itself %v", typ, src.BytesAt(i), got, want)
			}
			if err != nil {
				if len(errs) == 0 || errs[0] != err.Error() {
					t.Errorf("%v: %q: errors %v, by itself %v", typ, src.BytesAt(i), errs, err)
				} else {
					errs = errs[1:]
				}
			}
		}
		if len(errs) > 0 {
			t.Errorf("%v: errors %v more", typ, errs)
		}
	}
}
