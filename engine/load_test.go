package engine

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/kalamgo/kalam/engine/sqlerr"
)

func TestLoadData(t *testing.T) {
	onEach(t, func(t *testing.T, e *Engine) {
		s := newSession(t, e, SessionConfig{})
		run(t, s, "CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(20), n DECIMAL(6,2) DEFAULT 7, b VARBINARY(10), CHECK (id <> 13))")
		path := t.TempDir() + "/f.txt"
		for _, test := range []struct {
			name, file, options, want string
			kind                      *sqlerr.Kind
		}{
			{name: "tabs", file: "1\ta\t1.5\t\\N\n2\tb\\tc\\\\\t2\t\\0x\n", want: "1|a|1.50|NULL;2|b\tc\\|2.00|\x00x;"},
			{name: "no end of the last line, an empty field", file: "1\t\t1\tx", want: "1||1.00|x;"},
			{name: "an empty file", file: "", want: ""},
			{name: "CSV", options: `FIELDS TERMINATED BY ',' OPTIONALLY ENCLOSED BY '"' LINES TERMINATED BY '\r\n' IGNORE 1 LINES (id, v, n)`,
				file: "id,v,n\r\n1,\"a \"\"q\"\", b\",2\r\n2,\"line\r\nmore\",NULL\r\n3,\"NULL\",\\N\r\n",
				want: "1|a \"q\", b|2.00|NULL;2|line\r\nmore|NULL|NULL;3|NULL|NULL|NULL;"},
			{name: "long terminators and prefixes", options: `FIELDS TERMINATED BY '||' LINES STARTING BY '>>' TERMINATED BY '.\n' (id, v)`,
				file: "x>>1||a|b.\nno row.\n>>2||c.\n", want: "1|a|b|7.00|NULL;2|c|7.00|NULL;"},
			{name: "variables and SET", options: "(@a, v, @unused) SET id = @a * 10, n = LENGTH(v) + 0.5, b = DEFAULT",
				file: "1\tabc\tx\n2\tde\ty\n", want: "10|abc|3.50|NULL;20|de|2.50|NULL;"},
			{name: "no escapes", options: "FIELDS ESCAPED BY '' (id, v)", file: "1\ta\\n\n", want: "1|a\\n|7.00|NULL;"},
			{name: "latin1", options: "CHARACTER SET latin1 (id, v)", file: "1\tf\xfcr\n", want: "1|für|7.00|NULL;"},
			{name: "not UTF-8", options: "(id, v)", file: "1\tf\xfcr\n", kind: sqlerr.IncorrectValue},
			{name: "bytes", options: "(id, b)", file: "1\t\xff\xfe\n", want: "1|NULL|7.00|\xff\xfe;"},
			{name: "too few", options: "", file: "1\ta\n", kind: sqlerr.TooFewRecords},
			{name: "too many", options: "(id)", file: "1\ta\n", kind: sqlerr.TooManyRecords},
			{name: "taken", options: "(id, v)", file: "1\ta\n1\tb\n", kind: sqlerr.DupEntry},
			{name: "a CHECK", options: "(id, v)", file: "13\ta\n", kind: sqlerr.CheckViolated},
			{name: "no number", options: "(id, v)", file: "1\ta\nx\tb\n", kind: sqlerr.IncorrectValue},
		} {
			run(t, s, "DELETE FROM t")
			if err := os.WriteFile(path, []byte(test.file), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := s.Exec(t.Context(), "LOAD DATA INFILE '"+path+"' INTO TABLE t "+test.options, nil)
			if test.kind != nil {
				wantKind(t, err, test.kind)
			} else if err != nil {
				t.Errorf("%s: %v", test.name, err)
			}
			if got := query(t, s, "SELECT * FROM t ORDER BY id"); got != test.want {
				t.Errorf("%s: got %q, want %q", test.name, got, test.want)
			}
		}

		// IGNORE, LOCAL and REPLACE.
		if err := os.WriteFile(path, []byte("1\tnew\n2\tnew\n2\tagain\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		for options, want := range map[string]string{"IGNORE": "1|old;2|new;", "REPLACE": "1|new;2|again;"} {
			run(t, s, "DELETE FROM t")
			run(t, s, "INSERT INTO t (id, v) VALUES (1, 'old')")
			run(t, s, "LOAD DATA LOCAL INFILE '"+path+"' "+options+" INTO TABLE `t` (id, v)")
			wantText(t, query(t, s, "SELECT id, v FROM t ORDER BY id"), want)
		}
		run(t, s, "DELETE FROM t")
		run(t, s, "LOAD DATA LOCAL INFILE '"+path+"' INTO TABLE t (id, v)")
		wantText(t, query(t, s, "SELECT @@warning_count"), "1;")

		_, err := s.Exec(t.Context(), "LOAD DATA INFILE '"+path+"x' INTO TABLE t", nil)
		wantKind(t, err, sqlerr.FileNotFound)
		for _, bad := range []string{"LOAD DATA INFILE 'f' INTO t", "LOAD DATA INFILE f INTO TABLE t", "LOAD DATA INFILE 'f' INTO TABLE t FIELDS",
			"LOAD DATA INFILE 'f' INTO TABLE t (a", "LOAD DATA INFILE 'f' INTO TABLE t (id) SET", "LOAD DATA INFILE 'f' INTO TABLE t IGNORE x LINES", "LOAD DATA"} {
			_, err := s.Exec(t.Context(), bad, nil)
			wantKind(t, err, sqlerr.Syntax)
		}
		_, err = s.Exec(t.Context(), "LOAD DATA INFILE 'f' INTO TABLE t (nope)", nil)
		wantKind(t, err, sqlerr.UnknownColumn)
	})
}

// A file larger than a batch, in one transaction.
func TestLoadManyRows(t *testing.T) {
	onEach(t, func(t *testing.T, e *Engine) {
		s := newSession(t, e, SessionConfig{})
		var b strings.Builder
		for i := range 5000 {
			fmt.Fprintf(&b, "%04d\n", i%10)
		}
		path := t.TempDir() + "/f"
		if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
		run(t, s, "CREATE TABLE u (id INT AUTO_INCREMENT PRIMARY KEY, v VARCHAR(20))")
		if r := run(t, s, "LOAD DATA INFILE '"+path+"' INTO TABLE u (v)"); r.RowsAffected != 5000 {
			t.Error(r)
		}
		wantText(t, query(t, s, "SELECT COUNT(*), MIN(v), MAX(v), COUNT(DISTINCT id) FROM u"), "5000|0000|0009|5000;")
	})
}
