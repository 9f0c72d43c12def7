package engine

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/kalamgo/kalam/engine/sqlerr"
)

// message is a row of CONSUME.
type message struct {
	offset                   uint64
	source, op, key, payload string
}

func consume(t *testing.T, s *Session, sql string, args ...Arg) ([]message, error) {
	t.Helper()
	rows, err := s.Query(t.Context(), sql, args)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []message
	for {
		b, err := rows.Next(t.Context())
		if err != nil || b.Len == 0 {
			return list, err
		}
		for i := range b.Len {
			text := func(c int) string { return string(b.Columns[c].BytesAt(i)) }
			m := message{offset: b.Columns[0].Uint64s[i], source: text(1), op: text(3), key: text(4)}
			if !b.Columns[5].IsNull(i) {
				m.payload = text(5)
			}
			list = append(list, m)
		}
	}
}

func mustConsume(t *testing.T, s *Session, sql string, args ...Arg) []message {
	t.Helper()
	list, err := consume(t, s, sql, args...)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// TestTopicRetention checks that a consumer hears of what it has missed for good.
func TestTopicRetention(t *testing.T) {
	t.Parallel()
	e := openMem(t, Config{LogBytes: 20_000})
	s := newSession(t, e, SessionConfig{})
	run(t, s, "CREATE TABLE t (id INT PRIMARY KEY, body TEXT); CREATE TOPIC feed WITH (RETENTION_MB = 1); ALTER TOPIC feed ADD SOURCE t")
	run(t, s, "INSERT INTO t VALUES (0, 'first')")
	if list := mustConsume(t, s, "CONSUME FROM feed GROUP g"); len(list) != 1 {
		t.Fatal(list)
	}
	var err error
	for i := 1; err == nil; i++ {
		if i > 10_000 {
			t.Fatal("10,000 rows of 10,000 bytes are kept in 1 MB")
		}
		run(t, s, fmt.Sprintf("INSERT INTO t VALUES (%d, REPEAT('x', 10000))", i))
		_, err = consume(t, s, "CONSUME FROM feed GROUP g LIMIT 1")
	}
	wantKind(t, err, sqlerr.ChangesGone)
	_, after, _ := strings.Cut(err.Error(), "UPTO OFFSET ")
	offset, err := strconv.ParseUint(strings.Fields(after)[0], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	run(t, s, fmt.Sprintf("ACK feed GROUP g UPTO OFFSET %d", offset))
	list := mustConsume(t, s, "CONSUME FROM feed GROUP g LIMIT 1000")
	if len(list) == 0 || list[0].offset <= offset {
		t.Fatalf("%d messages after offset %d", len(list), offset)
	}
	// One commit that is larger than the log leaves a gap.
	run(t, s, "UPDATE t SET body = CONCAT(body, 'y')")
	_, err = consume(t, s, "CONSUME FROM feed GROUP g")
	wantKind(t, err, sqlerr.ChangesGone)
}

// TestTopicPassesOver checks that a group goes on past changes that make no message: they are
// read once, and their end is nothing that it missed.
func TestTopicPassesOver(t *testing.T) {
	t.Parallel()
	e := openMem(t, Config{LogBytes: 20_000})
	s := newSession(t, e, SessionConfig{})
	run(t, s, "CREATE TABLE t (id INT PRIMARY KEY, body TEXT); CREATE TOPIC feed WITH (RETENTION_MB = 1); ALTER TOPIC feed ADD SOURCE t WHERE id < 0")
	if list := mustConsume(t, s, "CONSUME FROM feed GROUP g"); len(list) != 0 {
		t.Fatal(list)
	}
	begin := query(t, s, "SHOW TOPIC GROUPS")
	if list := mustConsume(t, s, "CONSUME FROM feed GROUP g"); len(list) != 0 || query(t, s, "SHOW TOPIC GROUPS") != begin {
		t.Fatal(list, "a group went on where nothing had changed")
	}
	for i := 1; i <= 500; i++ {
		run(t, s, fmt.Sprintf("INSERT INTO t VALUES (%d, REPEAT('x', 10000))", i))
		if i%20 == 0 {
			if list := mustConsume(t, s, "CONSUME FROM feed GROUP g"); len(list) != 0 {
				t.Fatal(list)
			}
		}
	}
	if query(t, s, "SHOW TOPIC GROUPS") == begin {
		t.Error("the group did not go on")
	}
	run(t, s, "INSERT INTO t VALUES (-1, 'at last'), (1000, 'not for it')")
	for range 2 {
		if list := mustConsume(t, s, "CONSUME FROM feed GROUP g"); len(list) != 1 || list[0].key != `{"id": -1}` {
			t.Fatal(list)
		}
	}
}

// TestTopicConcurrent consumes while many write: each change comes once, those of a commit
// together.
func TestTopicConcurrent(t *testing.T) {
	onEach(t, func(t *testing.T, e *Engine) {
		s := newSession(t, e, SessionConfig{})
		run(t, s, `CREATE TABLE a (id INT PRIMARY KEY); CREATE TABLE b (id INT PRIMARY KEY, n INT); CREATE TOPIC feed;
			ALTER TOPIC feed ADD SOURCE a ON INSERT WITH (PAYLOAD = 'key'); ALTER TOPIC feed ADD SOURCE b`)
		const writers, commits = 4, 40
		var running sync.WaitGroup
		var left atomic.Int32
		left.Store(writers)
		for w := range writers {
			w1 := newSession(t, e, SessionConfig{})
			running.Go(func() {
				defer left.Add(-1)
				for i := range commits {
					id := w*commits + i
					if _, err := w1.Exec(t.Context(), fmt.Sprintf("BEGIN; INSERT INTO a VALUES (%d); INSERT INTO b VALUES (%[1]d, 0); COMMIT", id), nil); err != nil {
						t.Error(err)
					}
				}
			})
		}
		var all []message
		for {
			over := left.Load() == 0
			list := mustConsume(t, s, "CONSUME FROM feed GROUP g LIMIT 7")
			if len(list) == 0 {
				if over {
					break
				}
				continue
			}
			all = append(all, list...)
			run(t, s, fmt.Sprintf("ACK feed GROUP g UPTO OFFSET %d", list[len(list)-1].offset))
		}
		running.Wait()
		if len(all) != 2*writers*commits {
			t.Fatalf("%d messages of %d", len(all), 2*writers*commits)
		}
		seen := map[string]bool{}
		for i := 0; i < len(all); i += 2 {
			x, y := all[i], all[i+1]
			if x.source != "default.a" || y.source != "default.b" || x.key != y.key || x.offset>>24 != y.offset>>24 || x.offset >= y.offset ||
				i > 0 && x.offset <= all[i-1].offset || seen[x.key] {
				t.Fatal(x, y)
			}
			seen[x.key] = true
		}
	})
}

// TestTopicLargeCommit reads large commits in steps of some messages, which are what one reads
// at once; some steps are read again, or acknowledged in part.
func TestTopicLargeCommit(t *testing.T) {
	onEach(t, func(t *testing.T, e *Engine) {
		s := newSession(t, e, SessionConfig{})
		run(t, s, "CREATE TABLE d (n INT PRIMARY KEY); INSERT INTO d VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9); "+
			"CREATE TABLE a (id INT PRIMARY KEY, body VARCHAR(1000)); CREATE TABLE b (id INT PRIMARY KEY, body VARCHAR(1000)); CREATE TABLE late (id INT PRIMARY KEY, body VARCHAR(1000)); "+
			"CREATE TOPIC tp; ALTER TOPIC tp ADD SOURCE a WHERE id % 3 = 0; ALTER TOPIC tp ADD SOURCE b ON INSERT")
		fill := func(table string) string {
			return "INSERT INTO " + table + " SELECT x.n + 10 * y.n + 100 * z.n, REPEAT('x', 900) FROM d x, d y, d z; "
		}
		run(t, s, "BEGIN; "+fill("b")+fill("a")+"COMMIT; "+fill("late"))
		run(t, s, "ALTER TOPIC tp ADD SOURCE late; BEGIN; UPDATE a SET body = REPEAT('y', 900); UPDATE late SET body = 'z'; COMMIT; INSERT INTO a VALUES (3000, 'last')")
		all := mustConsume(t, s, "CONSUME FROM tp LIMIT 100000")
		if len(all) != 334+1000+334+1000+1 {
			t.Fatal(len(all))
		}
		at := 0
		for step := 0; at < len(all); step++ {
			list := mustConsume(t, s, "CONSUME FROM tp GROUP g LIMIT 61")
			for i, m := range list {
				if m != all[at+i] {
					t.Fatalf("step %d, message %d: %.100v, want %.100v", step, at+i, m, all[at+i])
				}
			}
			done := len(list)
			switch step % 4 {
			case 1:
				continue
			case 2:
				done = (done + 1) / 2
			}
			at += done
			run(t, s, fmt.Sprintf("ACK tp GROUP g UPTO OFFSET %d", all[at-1].offset))
		}
		// Other sources give other places.
		run(t, s, "ALTER TOPIC tp DROP GROUP g")
		mustConsume(t, s, "CONSUME FROM tp GROUP g LIMIT 200")
		run(t, s, fmt.Sprintf("ACK tp GROUP g UPTO OFFSET %d", all[199].offset))
		run(t, s, "ALTER TOPIC tp DROP SOURCE a")
		rest := mustConsume(t, s, "CONSUME FROM tp LIMIT 100000")
		if list := mustConsume(t, s, "CONSUME FROM tp GROUP g LIMIT 1"); len(list) != 1 || list[0] != rest[200] {
			t.Errorf("%.200v", list)
		}
	})
}
