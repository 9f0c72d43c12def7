package logictest

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	t.Parallel()
	const file = `# comment
hash-threshold 8

statement ok
CREATE TABLE t
  (a INT)

statement error
BAD

skipif mysql # why
statement ok
NOT HERE

query IRT rowsort label
SELECT 1
----
1
2.000
(empty)

query I nosort
SELECT 2
----
30 values hashing to 3c13dee48d9356ae19af2515e05e6b54

query T
SELECT 3

onlyif mysql
halt

statement ok
AFTER`
	got, err := Parse(strings.NewReader(file), "mysql")
	if err != nil {
		t.Fatal(err)
	}
	want := []Record{
		{Line: 4, SQL: "CREATE TABLE t\n  (a INT)"},
		{Line: 8, SQL: "BAD", WantError: true},
		{Line: 15, SQL: "SELECT 1", Types: "IRT", Sort: RowSort, Label: "label", Want: []string{"1", "2.000", "(empty)"}},
		{Line: 22, SQL: "SELECT 2", Types: "I", Count: 30, Hash: "3c13dee48d9356ae19af2515e05e6b54"},
		{Line: 27, SQL: "SELECT 3", Types: "T"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestParseErrors(t *testing.T) {
	t.Parallel()
	for file, want := range map[string]string{
		"\n\nstatment ok\nX":           `line 3: unknown record "statment"`,
		"statement maybe\nX":           "line 1: a statement is ok or error",
		"statement ok\nX\n----\n1":     "line 3: a statement has no results",
		"query\nX":                     "line 1: a query needs its columns' types, of I, R and T",
		"query IX\nX":                  "line 1: a query needs its columns' types, of I, R and T",
		"query I upwards\nX":           `line 1: unknown sort "upwards"`,
		"skipif\nstatement ok\nX":      "line 1: skipif names no engine",
		"hash-threshold\n":             "line 1: hash-threshold has no number",
		"hash-threshold many\n":        `line 1: hash-threshold: strconv.Atoi: parsing "many": invalid syntax`,
		"statement ok\nX\n\n  ----\n1": `line 4: unknown record "----"`,
	} {
		_, err := Parse(strings.NewReader(file), "mysql")
		if err == nil || err.Error() != want {
			t.Errorf("Parse(%q): %v, want %s", file, err, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("query I rowsort\nSELECT 1\n----\n1\n")
	f.Add("onlyif x\nhalt\n\nstatement error\nX")
	f.Fuzz(func(t *testing.T, file string) {
		records, err := Parse(strings.NewReader(file), "mysql")
		if err != nil {
			return
		}
		for _, r := range records {
			if r.Types == "" && (r.Want != nil || r.Hash != "") {
				t.Errorf("a statement with results: %+v", r)
			}
		}
	})
}
