//go:build cgo

package engine

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/kalamgo/kalam/engine/sqlerr"
)

// large opens a database whose transactions keep next to nothing in memory.
func large(t testing.TB, path string) *Engine {
	return openPath(t, Config{Path: path, Create: true, ChangeBytes: 64 << 10})
}

const manyRows = "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < 6000) SELECT n FROM r"

// Transactions that are larger than memory are as atomic as others, and so are
// their statements and savepoints.
func TestLargeTransaction(t *testing.T) {
	t.Parallel()
	path := t.TempDir() + "/db"
	e := large(t, path)
	s, other := newSession(t, e, SessionConfig{}), newSession(t, e, SessionConfig{})
	run(t, s, "SET cte_max_recursion_depth = 100000")
	run(t, s, "CREATE TABLE b (id INT AUTO_INCREMENT PRIMARY KEY, k INT, v VARCHAR(100), UNIQUE KEY uk (k), KEY kv (v))")
	sums := func(s *Session) string { return query(t, s, "SELECT COUNT(*), SUM(k), SUM(LENGTH(v)) FROM b") }
	healthy := func() {
		t.Helper()
		wantText(t, query(t, s, "CHECK TABLE b EXTENDED"), "default.b|check|status|OK;")
	}

	// One statement, which is seen by others when it is done.
	if r := run(t, s, "INSERT INTO b (k, v) SELECT n * 7919 % 6007, REPEAT('x', 60) FROM ("+manyRows+") AS d"); r.RowsAffected != 6000 {
		t.Fatal(r)
	}
	first := sums(other)
	wantText(t, query(t, other, "SELECT COUNT(*), MIN(id), MAX(id) FROM b"), "6000|1|6000;")
	healthy()

	// A statement that fails in its middle, alone and within a transaction.
	_, err := s.Exec(t.Context(), "UPDATE b SET k = IF(id = 5900, -1, -id)", nil)
	wantKind(t, err, sqlerr.DupEntry)
	wantText(t, sums(s), first)
	run(t, s, "BEGIN")
	run(t, s, "UPDATE b SET v = CONCAT(v, 'y')")
	second := sums(s)
	_, err = s.Exec(t.Context(), "UPDATE b SET k = IF(id = 5900, -1, -id)", nil)
	wantKind(t, err, sqlerr.DupEntry)
	wantText(t, sums(s), second)
	wantText(t, sums(other), first)

	// Savepoints, and reading what was written.
	run(t, s, "SAVEPOINT a")
	run(t, s, "DELETE FROM b WHERE id % 2 = 0")
	third := sums(s)
	run(t, s, "SAVEPOINT b")
	run(t, s, "UPDATE b SET k = -k, v = CONCAT('z', v)")
	run(t, s, "INSERT INTO b (k, v) SELECT 100000 + n, 'new' FROM ("+manyRows+") AS d")
	wantText(t, query(t, s, "SELECT COUNT(*) FROM b WHERE v >= 'z'"), "3000;")
	wantText(t, query(t, s, "SELECT v FROM b WHERE k = 100077"), "new;")
	run(t, s, "ROLLBACK TO b")
	wantText(t, sums(s), third)
	wantText(t, query(t, s, "SELECT COUNT(*) FROM b WHERE v >= 'z'"), "0;")
	run(t, s, "ROLLBACK TO a")
	wantText(t, sums(s), second)
	// Rows that are open keep what they see.
	rows, err := s.Query(t.Context(), "SELECT v FROM b", nil)
	if err != nil {
		t.Fatal(err)
	}
	run(t, s, "DELETE FROM b WHERE id <= 5000")
	n := 0
	for {
		b, err := rows.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if b.Len == 0 {
			break
		}
		n += b.Len
	}
	rows.Close()
	if n != 6000 {
		t.Errorf("open rows see %d", n)
	}
	wantText(t, query(t, s, "SELECT COUNT(*), MIN(id) FROM b"), "1000|5001;")
	run(t, s, "ROLLBACK")
	wantText(t, sums(s), first)

	// Many statements in one transaction, and a commit.
	run(t, s, "BEGIN")
	for from := 0; from < 6000; from += 500 {
		run(t, s, fmt.Sprintf("UPDATE b SET v = CONCAT('%d ', v) WHERE id > %d AND id <= %d", from, from, from+500))
	}
	run(t, s, "DELETE FROM b WHERE id > 5990")
	last := sums(s)
	run(t, s, "COMMIT")
	wantText(t, sums(other), last)
	healthy()

	// Others conflict with it as with any; sequences go on.
	run(t, other, "BEGIN")
	wantText(t, query(t, other, "SELECT COUNT(*) FROM b"), "5990;")
	run(t, s, "UPDATE b SET v = 'w'")
	_, err = other.Exec(t.Context(), "UPDATE b SET v = 'u' WHERE id = 1", nil)
	wantKind(t, err, sqlerr.WriteConflict)
	run(t, other, "ROLLBACK")
	run(t, s, "INSERT INTO b (k) VALUES (999999)")
	if got := query(t, s, "SELECT id > 6000 FROM b WHERE k = 999999"); got != "1;" {
		t.Error(got)
	}

	left, err := os.ReadDir(path + "/kalam-tmp")
	if err != nil || len(left) > 0 {
		t.Errorf("%d temporary files are left: %v", len(left), err)
	}
	closeEngine(t, e)
	e = large(t, path)
	s = newSession(t, e, SessionConfig{})
	wantText(t, query(t, s, "SELECT COUNT(*), COUNT(DISTINCT v) FROM b"), "5991|1;")
}

// childVariable makes TestLargeCommitKilled's process a child that works on the
// database at the path.
const childVariable = "KALAM_TEST_LARGE"

// A process that is killed while it commits a large transaction leaves all of it or
// nothing, and all that it had told of.
func TestLargeCommitKilled(t *testing.T) {
	if path := os.Getenv(childVariable); path != "" {
		commitLarge(t, path)
		return
	}
	t.Parallel()
	path := t.TempDir() + "/db"
	e := large(t, path)
	s := newSession(t, e, SessionConfig{})
	run(t, s, "SET cte_max_recursion_depth = 100000")
	run(t, s, "CREATE TABLE b (id INT PRIMARY KEY, n INT, KEY (n))")
	run(t, s, "INSERT INTO b SELECT n, 0 FROM ("+manyRows+") AS d")
	closeEngine(t, e)
	told := 0
	for range 6 {
		ctx, cancel := context.WithCancel(t.Context())
		child := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestLargeCommitKilled$")
		child.Env = append(os.Environ(), childVariable+"="+path)
		out, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewReader(out)
		rounds := 0
		for rounds < 1+rand.IntN(2) {
			line, err := lines.ReadString('\n')
			if err != nil {
				t.Fatalf("the child ended: %v", err)
			}
			if _, err := fmt.Sscanf(line, "committed %d", &told); err != nil {
				t.Fatalf("the child said %q", line)
			}
			rounds++
		}
		time.Sleep(rand.N(150 * time.Millisecond))
		cancel() // SIGKILL
		rest, _ := io.ReadAll(lines)
		child.Wait()
		for _, line := range splitLines(rest) {
			fmt.Sscanf(line, "committed %d", &told)
		}

		e := large(t, path)
		s := newSession(t, e, SessionConfig{})
		var n int
		if got := query(t, s, "SELECT MIN(n), MAX(n), COUNT(*), SUM(n = (SELECT n FROM b WHERE id = 1)) FROM b"); true {
			var least, most, all, same int
			if _, err := fmt.Sscanf(got, "%d|%d|%d|%d;", &least, &most, &all, &same); err != nil || least != most || all != 6000 || same != 6000 {
				t.Fatalf("half a transaction is there: %s", got)
			}
			n = least
		}
		if n < told {
			t.Fatalf("commit %d was told of, there is %d", told, n)
		}
		wantText(t, query(t, s, "CHECK TABLE b EXTENDED"), "default.b|check|status|OK;")
		closeEngine(t, e)
	}
}

func splitLines(p []byte) (list []string) {
	for len(p) > 0 {
		i := 0
		for i < len(p) && p[i] != '\n' {
			i++
		}
		list = append(list, string(p[:i]))
		p = p[min(i+1, len(p)):]
	}
	return list
}

func commitLarge(t *testing.T, path string) {
	e := large(t, path)
	s := newSession(t, e, SessionConfig{})
	for {
		run(t, s, "UPDATE b SET n = n + 1")
		fmt.Printf("committed %s\n", query(t, s, "SELECT n FROM b WHERE id = 1"))
	}
}
