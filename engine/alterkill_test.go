//go:build cgo && unix

package engine

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// alteringVariable names the database that the test binary alters, as another
// process, until it is killed.
const alteringVariable = "KALAM_TEST_ALTERING"

// alterations follow one another for ever; all but the last but one write rows
// anew or build an index.
var alterations = []string{
	"ALTER TABLE t MODIFY a DECIMAL(12,1), ADD INDEX ax (a DESC, txt(3))",
	"ALTER TABLE t DROP PRIMARY KEY, ADD PRIMARY KEY (a, id)",
	"CREATE INDEX e ON t ((a + id))",
	"ALTER TABLE t ADD COLUMN c INT NOT NULL DEFAULT 5, DROP INDEX ax",
	"ALTER TABLE t DROP INDEX e, DROP COLUMN c, MODIFY a INT, DROP PRIMARY KEY, ADD PRIMARY KEY (id)",
}

func TestAltering(t *testing.T) {
	path := os.Getenv(alteringVariable)
	if path == "" {
		t.Skip("runs as another process")
	}
	e, err := Open(context.Background(), Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	s := newSession(t, e, SessionConfig{})
	next := 0
	switch shape := query(t, s, "SHOW CREATE TABLE t"); {
	case strings.Contains(shape, "`c`"):
		next = 4
	case strings.Contains(shape, "`e`"):
		next = 3
	case strings.Contains(shape, "(`a`,`id`)"):
		next = 2
	case strings.Contains(shape, "decimal"):
		next = 1
	}
	fmt.Println("altering")
	for ; ; next++ {
		run(t, s, alterations[next%len(alterations)])
	}
}

// TestAlterKilled kills a process that alters a table: afterwards the table is
// one of those before and after, whole, and nothing else is left.
func TestAlterKilled(t *testing.T) {
	t.Parallel()
	cfg := Config{Path: t.TempDir() + "/db", Create: true}
	e := openPath(t, cfg)
	s := newSession(t, e, SessionConfig{})
	run(t, s, "CREATE TABLE t (id INT PRIMARY KEY, a INT, txt VARCHAR(20))")
	const rows = 3000
	run(t, s, "SET cte_max_recursion_depth = 10000")
	run(t, s, fmt.Sprintf("INSERT INTO t SELECT n, n %% 97, CONCAT('text ', n) FROM (WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < %d) SELECT n FROM r) AS x", rows))
	want := query(t, s, "SELECT SUM(id), SUM(a), SUM(LENGTH(txt)), COUNT(*) FROM t")
	closeEngine(t, e)
	r := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 0))
	shapes := map[string]bool{}
	for range 5 {
		cmd := exec.Command(os.Args[0], "-test.run", "^TestAltering$")
		cmd.Env = append(os.Environ(), alteringVariable+"="+cfg.Path)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		line, err := bufio.NewReader(out).ReadString('\n')
		if line != "altering\n" {
			t.Fatalf("the other process says %q, %v", line, err)
		}
		time.Sleep(time.Duration(r.IntN(250)) * time.Millisecond)
		cmd.Process.Kill()
		cmd.Wait()

		e := openPath(t, cfg)
		s := newSession(t, e, SessionConfig{})
		shape := query(t, s, "SHOW CREATE TABLE t")
		shapes[shape] = true
		if got := query(t, s, "SELECT SUM(id), ROUND(SUM(a)), SUM(LENGTH(txt)), COUNT(*) FROM t"); got != want {
			t.Errorf("%s\nhas %s, want %s", shape, got, want)
		}
		if got := query(t, s, "CHECK TABLE t EXTENDED"); !strings.HasSuffix(got, "|status|OK;") {
			t.Errorf("%s\n%s", shape, got)
		}
		if got := query(t, s, "CHECK DATABASE"); strings.Contains(got, "|error|") {
			t.Errorf("%s\n%s", shape, got)
		}
		closeEngine(t, e)
	}
	t.Logf("%d shapes", len(shapes))
}
