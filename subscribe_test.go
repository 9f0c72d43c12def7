package kalam_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kalamgo/kalam"
)

func openAt(t *testing.T, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("kalam", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// take reads n events as text.
func take(t *testing.T, sub *kalam.Subscription, n int) (list []string, seq uint64) {
	t.Helper()
	for ev, err := range sub.Events() {
		if err != nil {
			t.Fatalf("after %v: %v", list, err)
		}
		text := fmt.Sprint(ev.Change, ev.Values)
		if ev.Old != nil {
			text += fmt.Sprint(ev.Old)
		}
		list, seq = append(list, text), ev.Seq
		if len(list) == n {
			break
		}
	}
	return list, seq
}

func TestSubscribe(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "db")
	db := openAt(t, path)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	mustExec(t, t.Context(), db, "CREATE TABLE m (id INT PRIMARY KEY, room INT, body TEXT); INSERT INTO m VALUES (1, 7, 'a'), (2, 7, NULL)")
	sub, err := kalam.Subscribe(ctx, db, "SELECT id, body FROM m WHERE room = ?", []any{7}, kalam.LastRows(1), kalam.WithOld(), kalam.Buffer(10))
	if err != nil {
		t.Fatal(err)
	}
	mustExec(t, t.Context(), db, "INSERT INTO m VALUES (3, 7, 'c')")
	mustExec(t, t.Context(), db, "UPDATE m SET body = 'd' WHERE id = 3")
	mustExec(t, t.Context(), db, "DELETE FROM m WHERE id = 3")
	got, seq := take(t, sub, 4)
	if d := cmp.Diff([]string{"initial[2 <nil>]", "insert[3 c]", "update[3 d][3 c]", "delete[3 d][3 d]"}, got); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"id", "body"}, sub.Columns()); d != "" {
		t.Error(d)
	}
	// Close ends a loop that waits.
	done := make(chan int)
	go func() {
		n := 0
		for _, err := range sub.Events() {
			t.Error(err)
			n++
		}
		done <- n
	}()
	time.Sleep(5 * time.Millisecond)
	if err := sub.Close(); err != nil {
		t.Error(err)
	}
	<-done

	// Others miss something while the program is not there.
	mustExec(t, t.Context(), db, "INSERT INTO m VALUES (4, 7, 'e'), (5, 8, 'f')")
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	db = openAt(t, path)
	mustExec(t, t.Context(), db, "INSERT INTO m VALUES (6, 7, 'g')")
	sub, err = kalam.Subscribe(ctx, db, "SUBSCRIBE TO SELECT id, body FROM m WHERE room = :room", []any{sql.Named("room", 7)}, kalam.FromSeq(seq))
	if err != nil {
		t.Fatal(err)
	}
	mustExec(t, t.Context(), db, "INSERT INTO m VALUES (7, 7, 'h')")
	got, _ = take(t, sub, 3)
	if d := cmp.Diff([]string{"insert[4 e]", "insert[6 g]", "insert[7 h]"}, got); d != "" {
		t.Error(d)
	}
	if _, err := kalam.Subscribe(ctx, db, "SELECT * FROM m", nil, kalam.FromSeq(seq+1_000_000)); !errors.Is(err, kalam.ErrChangesGone) {
		t.Error(err)
	}
	if _, err := db.Exec("DROP TABLE m"); !errors.Is(err, kalam.ErrTableWatched) {
		t.Error(err)
	}
	// The end of the context, and of the database.
	short, stop := context.WithCancel(ctx)
	second, err := kalam.Subscribe(short, db, "SELECT * FROM m", nil, kalam.LastRows(0))
	if err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(5*time.Millisecond, stop)
	for _, err := range second.Events() {
		if !errors.Is(err, kalam.ErrInterrupted) || !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	}
	time.AfterFunc(5*time.Millisecond, func() { db.Close() })
	for _, err := range sub.Events() {
		if !errors.Is(err, kalam.ErrClosed) {
			t.Error(err)
		}
	}
	if err := sub.Close(); err != nil {
		t.Error(err)
	}
}

// A live query through database/sql: its rows do not end until its context does.
func TestSubscribeRows(t *testing.T) {
	t.Parallel()
	db := openAt(t, ":memory:")
	mustExec(t, t.Context(), db, "CREATE TABLE m (id INT PRIMARY KEY); INSERT INTO m VALUES (1)")
	ctx, cancel := context.WithCancel(t.Context())
	rows, err := db.QueryContext(ctx, "SUBSCRIBE TO m OPTIONS (old = true)")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	columns, _ := rows.Columns()
	got := []string{strings.Join(columns, " ")}
	mustExec(t, t.Context(), db, "INSERT INTO m VALUES (2)")
	for len(got) < 3 && rows.Next() {
		var kind, id string
		var seq uint64
		var old sql.NullString
		if err := rows.Scan(&kind, &seq, &id, &old); err != nil {
			t.Fatal(err)
		}
		got = append(got, kind+" "+id)
	}
	if d := cmp.Diff([]string{"_change _seq id _old_id", "initial 1", "insert 2"}, got); d != "" {
		t.Error(d)
	}
	time.AfterFunc(5*time.Millisecond, cancel)
	begin := time.Now()
	if rows.Next() || !errors.Is(rows.Err(), context.Canceled) || time.Since(begin) > 5*time.Second {
		t.Errorf("%v after %v", rows.Err(), time.Since(begin))
	}
	if _, err := db.Exec("SUBSCRIBE TO m"); !errors.Is(err, kalam.ErrNotSupported) {
		t.Error(err)
	}
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	if _, err := tx.Query("SUBSCRIBE TO m"); !errors.Is(err, kalam.ErrNotSupported) {
		t.Error(err)
	}
}

func TestEventsOf(t *testing.T) {
	t.Parallel()
	db := openAt(t, ":memory:")
	mustExec(t, t.Context(), db, "CREATE TABLE m (id BIGINT PRIMARY KEY, room_id TINYINT, body TEXT, at DATETIME, done BOOL, n DOUBLE, b BLOB)")
	type message struct {
		ID     uint32
		Room   *int8 `db:"room_id"`
		Body   sql.NullString
		At     time.Time
		Done   bool
		N      *float64
		B      []byte
		Unused string
	}
	sub, err := kalam.Subscribe(t.Context(), db, "SELECT * FROM m", nil, kalam.WithOld())
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	mustExec(t, t.Context(), db, "INSERT INTO m VALUES (1, 2, 'x', '2026-01-02 03:04:05', TRUE, 1.5, 'b')")
	mustExec(t, t.Context(), db, "UPDATE m SET room_id = NULL, body = NULL, n = NULL, b = NULL")
	n := 0
	for ev, err := range kalam.EventsOf[message](sub) {
		if err != nil {
			t.Fatal(err)
		}
		if n++; n == 1 {
			room, f := int8(2), 1.5
			want := message{ID: 1, Room: &room, Body: sql.NullString{String: "x", Valid: true}, At: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Done: true, N: &f, B: []byte("b")}
			if d := cmp.Diff(want, ev.Row); d != "" || ev.Old != nil {
				t.Error(d, ev.Old)
			}
			continue
		}
		if ev.Change != kalam.Update || ev.Row.Room != nil || ev.Row.Body.Valid || ev.Row.B != nil || ev.Old.Body.String != "x" {
			t.Errorf("%+v, before %+v", ev.Row, ev.Old)
		}
		break
	}
	mustExec(t, t.Context(), db, "INSERT INTO m (id) VALUES (-1)")
	for _, err := range kalam.EventsOf[struct{ ID uint }](sub) {
		if err == nil || !strings.Contains(err.Error(), "no field for column room_id") {
			t.Error(err)
		}
	}
	for _, err := range kalam.EventsOf[message](sub) {
		if err == nil || !strings.Contains(err.Error(), "column id") {
			t.Error(err)
		}
	}
}

// Place is where a row is, in another's struct.
type Place struct {
	Room int64
	Seat *string
}

type hidden struct{ Room int64 }

// TestEventsOfEmbedded reads into structs that are embedded by pointers.
func TestEventsOfEmbedded(t *testing.T) {
	t.Parallel()
	db := openAt(t, ":memory:")
	mustExec(t, t.Context(), db, "CREATE TABLE m (id INT PRIMARY KEY, room INT, seat VARCHAR(5)); INSERT INTO m VALUES (1, 7, 'a')")
	sub, err := kalam.Subscribe(t.Context(), db, "SELECT * FROM m", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	for ev, err := range kalam.EventsOf[struct {
		ID int
		*Place
	}](sub) {
		if err != nil || ev.Row.ID != 1 || ev.Row.Place == nil || ev.Row.Room != 7 || *ev.Row.Seat != "a" {
			t.Fatal(ev.Row, err)
		}
		break
	}
	mustExec(t, t.Context(), db, "UPDATE m SET room = 8")
	for _, err := range kalam.EventsOf[struct {
		ID   int
		Seat string
		*hidden
	}](sub) {
		if err == nil {
			t.Error("a struct that is not exported was made")
		}
	}
}

// Last is true of the last change of a commit only, also where it is read from disk in
// parts.
func TestEventLast(t *testing.T) {
	t.Parallel()
	db := openAt(t, filepath.Join(t.TempDir(), "db"))
	mustExec(t, t.Context(), db, "CREATE TABLE m (id INT PRIMARY KEY, body TEXT); INSERT INTO m VALUES (-1, 'x')")
	sub, err := kalam.Subscribe(t.Context(), db, "SELECT id FROM m", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	const n = 5000 // more than is held in memory
	mustExec(t, t.Context(), db, "INSERT INTO m WITH RECURSIVE r (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM r WHERE i < 1000) SELECT 1000 * a + i, REPEAT('x', 300) "+
		"FROM r JOIN (SELECT 0 a UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4) k")
	mustExec(t, t.Context(), db, "DELETE FROM m WHERE id = 5")
	seen := 0
	for ev, err := range sub.Events() {
		if err != nil {
			t.Fatal(err)
		}
		if want := seen == n || seen == n+1; ev.Last != want {
			t.Fatalf("change %d: Last is %v", seen, ev.Last)
		}
		if seen++; seen == n+2 {
			break
		}
	}
}
