package types

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kalamgo/kalam/engine/sqlerr"
)

// TestColumnTypes prints of each column definition what SHOW CREATE TABLE, a
// driver and the catalogue see, or the error.
func TestColumnTypes(t *testing.T) {
	t.Parallel()
	const file = "testdata/columns.txt"
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	for line := range strings.Lines(string(want)) {
		in, _, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " -> ")
		ct, err := columnType(t, in)
		if err != nil {
			fmt.Fprintf(&got, "%s -> %v\n", in, err)
			continue
		}
		stored, err := json.Marshal(ct)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&got, "%s -> %s | %s | %s\n", in, ct.SQL(), ct.Name(), stored)
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
}

func TestDamagedTypes(t *testing.T) {
	t.Parallel()
	for _, s := range []string{`{}`, `{"kind":"x"}`, `{"kind":"decimal","size":99}`, `{"kind":"time","scale":7}`, `{"kind":"bit","size":65}`, `{"kind":"decimal","size":18,"scale":20}`} {
		var ct Type
		if err := json.Unmarshal([]byte(s), &ct); !errors.Is(err, sqlerr.Corrupt) {
			t.Errorf("%s: %v", s, err)
		}
	}
}

func TestSetAndEnumLimits(t *testing.T) {
	t.Parallel()
	names := func(n int) string {
		s := make([]string, n)
		for i := range s {
			s[i] = fmt.Sprintf("'m%d'", i)
		}
		return "(" + strings.Join(s, ",") + ")"
	}
	set := mustType(t, "set"+names(64))
	v, err := Assign(&Target{Type: set, Column: "c", Row: 1}, Uint64Type, NewUint(1<<63|1))
	if err != nil || show(set, v) != `"m0,m63"` {
		t.Errorf("%s, %v", show(set, v), err)
	}
	if _, err := columnType(t, "set"+names(65)); !errors.Is(err, sqlerr.TooManyMembers) {
		t.Errorf("65 members: %v", err)
	}
	enum := mustType(t, "enum"+names(300))
	if v, err := Assign(&Target{Type: enum, Column: "c", Row: 1}, TextType, NewString("m299")); err != nil || v.Uint() != 300 {
		t.Errorf("%d, %v", v.Uint(), err)
	}
}

func TestSQLLiterals(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ column, value, want string }{
		{"int", "-5", "-5"},
		{"decimal(5,2)", "1.5", "1.50"},
		{"double", "0.1", "1e-01"},
		{"float", "3.1415927", "3.1415927e+00"},
		{"varchar(20)", "it's \\ \n\x00", `'it\'s \\ \n\0'`},
		{"datetime(3)", "2026-01-31 12:34:56.5", "'2026-01-31 12:34:56.500'"},
		{"enum('a')", "a", "'a'"},
		{"json", `{"a": "b"}`, `'{"a": "b"}'`},
		{"varbinary(9)", "\x00\xab", "X'00AB'"},
		{"bit(3)", "\x05", "b'101'"},
	} {
		ct := mustType(t, c.column)
		from := TextType
		if ct.IsBinary() || ct.Kind == Bit {
			from = BytesType
		}
		v, err := Assign(&Target{Type: ct, Column: "c", Row: 1}, from, NewString(c.value))
		if err != nil {
			t.Fatal(err)
		}
		if got := string(AppendSQL(nil, ct, v)); got != c.want {
			t.Errorf("%s %q: %s, want %s", c.column, c.value, got, c.want)
		}
	}
	if got := string(AppendSQL(nil, TextType, Value{})); got != "NULL" {
		t.Errorf("NULL: %s", got)
	}
	if got := Format(BytesType, NewString("a\xff\n")) + Format(TextType, Value{}); got != `a\xFF\x0ANULL` {
		t.Errorf("Format: %s", got)
	}
}
