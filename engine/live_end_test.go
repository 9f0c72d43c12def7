package engine

import (
	"strings"
	"testing"

	"github.com/kalamgo/kalam/engine/sqlerr"
)

// TestSubscribeEvaluation has an expression fail: nothing is delivered after what could not be.
func TestSubscribeEvaluation(t *testing.T) {
	onEach(t, func(t *testing.T, e *Engine) {
		s := newSession(t, e, SessionConfig{})
		run(t, s, "CREATE TABLE m (id INT PRIMARY KEY, n BIGINT)")
		queries := []string{"SELECT id, n + 9223372036854775807 FROM m", "SELECT id FROM m WHERE n + 9223372036854775807 > 0"}
		for i, sql := range queries {
			sub := follow(t, e, sql, SubscribeOptions{})
			behind := follow(t, e, sql, SubscribeOptions{Buffer: 1})
			for _, n := range []string{"0), (4, 0", "1", "0"} {
				run(t, s, "DELETE FROM m; INSERT INTO m VALUES (1, "+n+")")
			}
			for _, f := range []*follower{sub, behind} {
				var err error
				for err == nil {
					_, err = f.next()
				}
				for range 3 {
					wantKind(t, err, sqlerr.DataOutOfRange)
					_, err = f.next()
				}
			}
			wantText(t, query(t, s, "SELECT COUNT(*) FROM system.live_queries"), "0;")
			if run(t, s, "DELETE FROM m"); i == 0 {
				run(t, s, "ALTER TABLE m MODIFY n INT; ALTER TABLE m MODIFY n BIGINT") // nobody watches it
			}
		}
	})
}

// TestSubscribeKilled looks at what is left of a live query that was killed while its owner does
// nothing.
func TestSubscribeKilled(t *testing.T) {
	onEach(t, func(t *testing.T, e *Engine) {
		s := newSession(t, e, SessionConfig{})
		run(t, s, "CREATE STREAM TABLE ev (a INT) WITH (EPHEMERAL = TRUE); CREATE TABLE m (id INT PRIMARY KEY); INSERT INTO m VALUES (1), (2)")
		ann := newSession(t, e, SessionConfig{User: "ann"})
		events := subscribe(t, e, "ann", "SUBSCRIBE TO ev")
		rows := follow(t, e, "SELECT id FROM m", SubscribeOptions{})
		run(t, ann, "INSERT INTO ev VALUES (1)")
		wantText(t, query(t, ann, "SELECT a FROM ev"), "1;")
		run(t, s, "KILL LIVE QUERY 'live-1'; KILL LIVE QUERY 'live-2'")
		wantText(t, query(t, s, "SELECT COUNT(*) FROM system.live_queries"), "0;")
		_, err := s.Exec(t.Context(), "KILL LIVE QUERY 'live-1'", nil)
		wantKind(t, err, sqlerr.NoSuchLive)
		run(t, ann, "INSERT INTO ev VALUES (2)")
		wantText(t, query(t, ann, "SELECT a FROM ev"), "")
		run(t, s, "DROP TABLE m")
		for range 2 {
			wantKind(t, events.fails(), sqlerr.LiveKilled)
			_, err := rows.next()
			wantKind(t, err, sqlerr.LiveKilled)
		}
	})
}

// TestEphemeralAgain subscribes again before the events of the subscription before are removed:
// they stay gone.
func TestEphemeralAgain(t *testing.T) {
	onEach(t, func(t *testing.T, e *Engine) {
		s := newSession(t, e, SessionConfig{})
		for _, ttl := range []string{"", ", TTL_SECONDS = 3600"} {
			run(t, s, "CREATE STREAM TABLE ev (a INT) WITH (EPHEMERAL = TRUE"+ttl+")")
			ann := newSession(t, e, SessionConfig{User: "ann"})
			first := subscribe(t, e, "ann", "SUBSCRIBE TO ev")
			run(t, ann, "INSERT INTO ev VALUES (1)")
			first.rows.Close()
			again := subscribe(t, e, "ann", "SUBSCRIBE TO ev")
			wantText(t, query(t, ann, "SELECT a FROM ev"), "")
			run(t, ann, "INSERT INTO ev VALUES (2)")
			again.want("insert|2")
			wantText(t, query(t, ann, "SELECT a FROM ev"), "2;")
			again.rows.Close()
			run(t, s, "DROP TABLE ev")
		}
	})
}

// TestSubscribeBesideTopic has a topic that keeps little leave live queries the room that they
// have anyway.
func TestSubscribeBesideTopic(t *testing.T) {
	t.Parallel()
	e := openMem(t, Config{})
	s := newSession(t, e, SessionConfig{})
	run(t, s, "CREATE TABLE m (id INT AUTO_INCREMENT PRIMARY KEY, body VARCHAR(1000)); CREATE TOPIC tp WITH (RETENTION_MB = 1); ALTER TOPIC tp ADD SOURCE m")
	sub := follow(t, e, "SELECT id FROM m", SubscribeOptions{})
	// More in one commit than half of the topic's room.
	run(t, s, "INSERT INTO m (body) VALUES "+strings.TrimSuffix(strings.Repeat("(REPEAT('x', 1000)),", 900), ","))
	if got := sub.commit(); got != stepped(901, 1, 1) {
		t.Error(got)
	}
}
