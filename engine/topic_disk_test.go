//go:build cgo

package engine

import (
	"fmt"
	"math"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kalamgo/kalam/engine/sqlerr"
)

// TestTopicReopened checks that what was not acknowledged is there when the database is
// opened again, and that its sources are pinned.
func TestTopicReopened(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "db")
	open := func() (*Engine, *Session) {
		e, err := Open(t.Context(), Config{Path: path, Create: true})
		if err != nil {
			t.Fatal(err)
		}
		return e, newSession(t, e, SessionConfig{})
	}
	e, s := open()
	run(t, s, `CREATE TABLE t (id INT PRIMARY KEY); CREATE TOPIC feed; ALTER TOPIC feed ADD SOURCE t;
		INSERT INTO t VALUES (1), (2), (3); DELETE FROM t WHERE id = 2`)
	list := mustConsume(t, s, "CONSUME FROM feed GROUP ?", textArg("g"))
	if len(list) != 4 {
		t.Fatal(list)
	}
	run(t, s, fmt.Sprintf("ACK feed GROUP g UPTO OFFSET %d", list[1].offset))
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	e, s = open()
	defer e.Close()
	if diff := cmp.Diff(list[2:], mustConsume(t, s, "CONSUME FROM feed GROUP g"), cmp.AllowUnexported(message{})); diff != "" {
		t.Fatal(diff)
	}
	_, err := s.Exec(t.Context(), "DROP TABLE t", nil)
	wantKind(t, err, sqlerr.TableWatched)
	run(t, s, "INSERT INTO t VALUES (4)")
	more := mustConsume(t, s, "CONSUME FROM feed GROUP g FROM EARLIEST LIMIT ?", intArg(10))
	if len(more) != 3 || more[2].key != `{"id": 4}` || more[2].offset <= list[3].offset {
		t.Fatal(more)
	}
	// What comes after an offset is told apart from offsets that are yet to come.
	_, err = s.Exec(t.Context(), "ACK feed GROUP g UPTO OFFSET ?", []Arg{intArg(math.MaxInt64)})
	wantKind(t, err, sqlerr.WrongTopic)
	_, err = s.Exec(t.Context(), "ACK feed GROUP g UPTO OFFSET ?", []Arg{intArg(-1)})
	wantKind(t, err, sqlerr.WrongArguments)
}
