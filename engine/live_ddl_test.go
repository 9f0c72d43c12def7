package engine

import (
	"fmt"
	"strings"
	"testing"

	"github.com/kalamgo/kalam/engine/sqlerr"
)

// TestSubscribeRebuild has ALTER TABLE write all rows of a watched table anew: that is no change
// of the rows, neither for who watches nor in the log.
func TestSubscribeRebuild(t *testing.T) {
	for name, alter := range map[string]string{
		"auto increment": "ALTER TABLE t ADD COLUMN x INT AUTO_INCREMENT UNIQUE",
		"force":          "ALTER TABLE t FORCE",
		"primary key":    "ALTER TABLE t DROP PRIMARY KEY, ADD PRIMARY KEY (n)",
		"type":           "ALTER TABLE t MODIFY other VARCHAR(20)",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := openMem(t, Config{})
			s := newSession(t, e, SessionConfig{})
			run(t, s, "CREATE TABLE t (id INT PRIMARY KEY, n INT NOT NULL, other INT); INSERT INTO t VALUES (1, 10, 100), (2, 20, 200)")
			sub := subscribe(t, e, "", "SUBSCRIBE TO SELECT id, n FROM t")
			sub.want("initial|1|10", "initial|2|20")
			run(t, s, "INSERT INTO t VALUES (3, 30, 300)")
			run(t, s, alter)
			sub.want("insert|3|30")
			b, err := sub.rows.Next(t.Context())
			if err == nil {
				t.Errorf("%d more changes", b.Len)
			}
			wantKind(t, sub.fails(), sqlerr.ChangesGone)
			run(t, s, "INSERT INTO t (id, n) VALUES (4, 40)")
			again := subscribe(t, e, "", "SUBSCRIBE TO SELECT id FROM t OPTIONS (last_rows = 0)")
			run(t, s, "DELETE FROM t WHERE id < 4")
			again.want("delete|1", "delete|2", "delete|3")
		})
	}
}

// TestSubscribeVirtual has live queries read virtual columns, which are computed from others.
func TestSubscribeVirtual(t *testing.T) {
	onEach(t, func(t *testing.T, e *Engine) {
		s := newSession(t, e, SessionConfig{})
		run(t, s, "CREATE TABLE v (id INT PRIMARY KEY, n INT, x INT, twice BIGINT AS (n * 2) VIRTUAL, four BIGINT AS (twice * 2) VIRTUAL)")
		shown := subscribe(t, e, "", "SUBSCRIBE TO SELECT four FROM v")
		alter := func(sql string) error {
			_, err := s.Exec(t.Context(), sql, nil)
			return err
		}
		for range 2 {
			for _, c := range []string{"n INT UNSIGNED", "n BIGINT", "n VARCHAR(20)", "twice INT AS (n * 2) VIRTUAL"} {
				wantKind(t, alter("ALTER TABLE v MODIFY "+c), sqlerr.TableWatched)
			}
			shown.rows.Close()
			shown = subscribe(t, e, "", "SUBSCRIBE TO SELECT id FROM v WHERE four = 8")
		}
		run(t, s, "ALTER TABLE v MODIFY x BIGINT; INSERT INTO v (id, n) VALUES (1, 2), (2, 3)")
		shown.want("insert|1")
	})
}

// TestSubscribeAlias has select items with the names of columns of the key.
func TestSubscribeAlias(t *testing.T) {
	onEach(t, func(t *testing.T, e *Engine) {
		s := newSession(t, e, SessionConfig{})
		run(t, s, "CREATE TABLE a (id INT PRIMARY KEY, n INT); INSERT INTO a VALUES (1, 10), (2, 20), (3, 30); CREATE TABLE nokey (v INT); INSERT INTO nokey VALUES (7), (8)")
		for _, from := range []string{"a", "a x", "`default`.a", "`default`.a AS `odd.name`"} {
			subscribe(t, e, "", "SUBSCRIBE TO SELECT -id AS id, n FROM "+from+" OPTIONS (last_rows = 2)").want("initial|-2|20", "initial|-3|30")
			subscribe(t, e, "", "SUBSCRIBE TO SELECT n AS id, -n AS id FROM "+from+" OPTIONS (last_rows = 2)").want("initial|20|-20", "initial|30|-30")
		}
		subscribe(t, e, "", "SUBSCRIBE TO SELECT -v AS v FROM nokey OPTIONS (last_rows = 1)").want("initial|-8")
	})
}

// TestTopicRename renames what the condition of a source names.
func TestTopicRename(t *testing.T) {
	onEach(t, func(t *testing.T, e *Engine) {
		s := newSession(t, e, SessionConfig{})
		run(t, s, "CREATE TABLE o (id INT PRIMARY KEY, state VARCHAR(10), note TEXT); CREATE TOPIC tp; ALTER TOPIC tp ADD SOURCE o WHERE o.State <> 'draft'")
		for _, sql := range []string{"ALTER TABLE o RENAME COLUMN state TO st", "ALTER TABLE o CHANGE state st VARCHAR(10)"} {
			_, err := s.Exec(t.Context(), sql, nil)
			wantKind(t, err, sqlerr.TableWatched)
			if !strings.Contains(err.Error(), "rename column 'state' of table 'default.o': it is in the condition of a source of topic 'default.tp'") {
				t.Error(err)
			}
		}
		run(t, s, "ALTER TABLE o RENAME COLUMN note TO remark; ALTER TABLE o RENAME COLUMN state TO STATE; RENAME TABLE o TO p; INSERT INTO p VALUES (1, 'draft', ''), (2, 'new', 'x')")
		if list := mustConsume(t, s, "CONSUME FROM tp"); len(list) != 1 || list[0].payload != `{"id": 2, "STATE": "new", "remark": "x"}` {
			t.Error(list)
		}
	})
}

// TestTopicOffsets begins groups at offsets that there are, and lets them begin again.
func TestTopicOffsets(t *testing.T) {
	onEach(t, func(t *testing.T, e *Engine) {
		s := newSession(t, e, SessionConfig{})
		run(t, s, "CREATE TABLE o (id INT PRIMARY KEY); CREATE TOPIC tp; ALTER TOPIC tp ADD SOURCE o; INSERT INTO o VALUES (1); INSERT INTO o VALUES (2)")
		list := mustConsume(t, s, "CONSUME FROM tp")
		last := list[1].offset
		for _, group := range []string{"", " GROUP g"} {
			_, err := consume(t, s, fmt.Sprintf("CONSUME FROM tp%s FROM %d", group, last+2))
			wantKind(t, err, sqlerr.WrongTopic)
		}
		wantText(t, query(t, s, "SHOW TOPIC GROUPS"), "")
		if list := mustConsume(t, s, fmt.Sprintf("CONSUME FROM tp GROUP g FROM %d", last+1)); len(list) != 0 {
			t.Error(list)
		}
		run(t, s, "ALTER TOPIC tp DROP GROUP g")
		wantText(t, query(t, s, "SHOW TOPIC GROUPS"), "")
		_, err := s.Exec(t.Context(), "ALTER TOPIC tp DROP GROUP 'g'", nil)
		wantKind(t, err, sqlerr.WrongTopic)
		_, err = s.Exec(t.Context(), "ALTER TOPIC nix DROP GROUP g", nil)
		wantKind(t, err, sqlerr.NoSuchTopic)
		_, err = s.Exec(t.Context(), "ALTER TOPIC tp DROP GROUP ?", []Arg{textArg("g")})
		wantKind(t, err, sqlerr.Syntax)
		if list := mustConsume(t, s, "CONSUME FROM tp GROUP g"); len(list) != 2 {
			t.Error(list)
		}
	})
}

// TestSubscribeNames renames a table, and drops a user, with live queries.
func TestSubscribeNames(t *testing.T) {
	onEach(t, func(t *testing.T, e *Engine) {
		s := newSession(t, e, SessionConfig{})
		run(t, s, "CREATE USER TABLE o (id INT PRIMARY KEY); CREATE DATABASE d; CREATE USER 'ann' ROLE 'user'")
		ann := subscribe(t, e, "ann", "SUBSCRIBE TO o")
		subscribe(t, e, "bob", "SUBSCRIBE TO o")
		run(t, s, "RENAME TABLE o TO d.p")
		wantText(t, query(t, s, "SELECT user, namespace, `table` FROM system.live_queries"), "ann|d|p;bob|d|p;")
		run(t, s, "DROP USER 'ann' CASCADE")
		wantText(t, query(t, s, "SELECT user FROM system.live_queries"), "bob;")
		wantKind(t, ann.fails(), sqlerr.LiveKilled)
		_, err := s.Query(t.Context(), "SUBSCRIBE TO d.p OPTIONS (last_rows = 1, buffer = 2, last_rows = 2)", nil)
		wantKind(t, err, sqlerr.WrongOption)
	})
}
