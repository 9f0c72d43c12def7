package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/kalamgo/kalam"
)

var liveChecks = []check{
	{"live queries deliver their user's rows only", liveQueries},
	{"a live query goes on with its user's changes only", liveResumed},
	{"others' live queries are not seen and not ended", othersLiveQueries},
	{"topics, which have all users' changes, are not users' to read", topicsDenied},
}

// watched are queries of which all users' rows meet the condition, each with a statement
// that gives it an event with the word end.
var watched = []struct{ query, end string }{
	{"SELECT id, title, n FROM notes", "INSERT INTO notes (title) VALUES ('end-1')"},
	{"SELECT title FROM notes WHERE n > 0 OR n IS NULL", "INSERT INTO notes (title) VALUES ('end-2')"},
	{"SELECT * FROM notes WHERE id = 1", "UPDATE notes SET title = 'end-3' WHERE id = 1"},
	{"SELECT CONCAT(v, '') FROM loose", "INSERT INTO loose VALUES ('end-4')"},
	{"SELECT k, v FROM events WHERE k = 1", "INSERT INTO events VALUES (1, 'end-5')"},
	{"SELECT note, tag FROM tags", "INSERT INTO tags VALUES (1, 'end-6')"},
}

// upheaval changes rows of each table in every way.
func upheaval(word string) []string {
	return []string{
		"INSERT INTO notes (title, n) VALUES ('" + word + "-new', 7)",
		"UPDATE notes SET title = CONCAT(title, '+'), n = n + 1",
		"REPLACE INTO notes (id, title) VALUES (1, '" + word + "-replaced')",
		"UPDATE notes SET id = 700 WHERE id = 2",
		"DELETE FROM notes WHERE id = 3",
		"INSERT INTO loose VALUES ('" + word + "-more')",
		"INSERT INTO events VALUES (1, '" + word + "-now')",
		"TRUNCATE TABLE loose",
	}
}

// untilWord reads events up to one with a word, and returns them as text.
func untilWord(sub *kalam.Subscription, word string) (list []string, err error) {
	for ev, err := range sub.Events() {
		if err != nil {
			return list, err
		}
		e := fmt.Sprint(ev.Change, ev.Values, ev.Old)
		if list = append(list, e); strings.Contains(e, word) {
			break
		}
	}
	return list, nil
}

// onlyMine reports events that are not mallory's.
func onlyMine(events []string) error {
	for _, e := range events {
		if strings.Contains(e, secret) {
			return fmt.Errorf("mallory is told of %s", e)
		}
	}
	return nil
}

// rages runs the statements as each user.
func rages(ctx context.Context, db *sql.DB, users []string, word string) error {
	for _, u := range users {
		for _, s := range upheaval(word) {
			if _, err := db.ExecContext(kalam.WithUser(ctx, u), s); err != nil {
				return fmt.Errorf("as user %.20q: %s: %w", u, s, err)
			}
		}
	}
	return nil
}

func liveQueries(ctx context.Context) error {
	return filled(ctx, func(db *sql.DB) error {
		ctx, stop := context.WithTimeout(ctx, time.Minute)
		defer stop()
		m := kalam.WithUser(ctx, mallory)
		subs := make([]*kalam.Subscription, len(watched))
		var err error
		for i, w := range watched {
			if subs[i], err = kalam.Subscribe(m, db, w.query, nil, kalam.WithOld()); err != nil {
				return fmt.Errorf("%s: %w", w.query, err)
			}
			defer subs[i].Close()
		}
		if err := rages(ctx, db, victims, secret); err != nil {
			return err
		}
		if err := rages(ctx, db, []string{mallory}, "mine"); err != nil {
			return err
		}
		for i, w := range watched {
			if _, err := db.ExecContext(m, w.end); err != nil {
				return fmt.Errorf("%s: %w", w.end, err)
			}
			events, err := untilWord(subs[i], "end-")
			if err = errors.Join(err, onlyMine(events)); err != nil {
				return fmt.Errorf("%s: %w", w.query, err)
			}
			own := slices.DeleteFunc(events, func(e string) bool { return strings.HasPrefix(e, string(kalam.Initial)) })
			if len(own) < 2 || len(own) > 20 {
				return fmt.Errorf("%s: mallory's own changes are not these: %q", w.query, own)
			}
		}
		return nil
	})
}

func liveResumed(ctx context.Context) error {
	return filled(ctx, func(db *sql.DB) error {
		ctx, stop := context.WithTimeout(ctx, time.Minute)
		defer stop()
		if _, err := db.ExecContext(ctx, "ALTER TABLE notes SET (CHANGE_RETENTION_HOURS = 1)"); err != nil {
			return err
		}
		m := kalam.WithUser(ctx, mallory)
		sub, err := kalam.Subscribe(m, db, watched[0].query, nil, kalam.LastRows(0))
		if err != nil {
			return err
		}
		seq := sub.Seq()
		if err := sub.Close(); err != nil {
			return err
		}
		if err := rages(ctx, db, append(slices.Clone(victims), mallory), "mine"); err != nil {
			return err
		}
		if _, err := db.ExecContext(m, watched[0].end); err != nil {
			return err
		}
		again, err := kalam.Subscribe(m, db, watched[0].query, nil, kalam.FromSeq(seq), kalam.WithOld())
		if err != nil {
			return err
		}
		defer again.Close()
		events, err := untilWord(again, "end-")
		if err = errors.Join(err, onlyMine(events)); err != nil {
			return err
		}
		if len(events) < 5 || len(events) > 20 {
			return fmt.Errorf("mallory's own changes are not these: %q", events)
		}
		return nil
	})
}

func othersLiveQueries(ctx context.Context) error {
	return filled(ctx, func(db *sql.DB) error {
		alice, m := kalam.WithUser(ctx, "alice"), kalam.WithUser(ctx, mallory)
		sub, err := kalam.Subscribe(alice, db, "SELECT id, title FROM notes WHERE title <> 's3cret-x'", nil)
		if err != nil {
			return err
		}
		defer sub.Close()
		id, err := observe(ctx, db, "SELECT id FROM system.live_queries")
		if err != nil {
			return err
		}
		for _, q := range []string{"SELECT * FROM system.live_queries", "SHOW PROCESSLIST"} {
			if seen, err := observe(m, db, q); err != nil || strings.Contains(seen, secret) || strings.Contains(seen, "alice") {
				return fmt.Errorf("%s shows mallory %s (%v)", q, seen, err)
			}
		}
		_, there := observe(m, db, "KILL LIVE QUERY '"+plain(id)+"'")
		_, none := observe(m, db, "KILL LIVE QUERY 'live-99999'")
		if there == nil || none == nil {
			return errors.New("mallory ends a live query of alice")
		}
		if a, b := strings.ReplaceAll(there.Error(), plain(id), "…"), strings.ReplaceAll(none.Error(), "live-99999", "…"); a != b {
			return fmt.Errorf("mallory can tell whether there is a live query: %s; %s", a, b)
		}
		if _, err := db.ExecContext(alice, watched[0].end); err != nil {
			return err
		}
		events, err := untilWord(sub, "end-")
		if err != nil || len(events) != 26 {
			return fmt.Errorf("alice is told of %d rows: %v", len(events), err)
		}
		return nil
	})
}

func topicsDenied(ctx context.Context) error {
	return filled(ctx, func(db *sql.DB) error {
		if _, err := db.ExecContext(ctx, "CREATE TOPIC feed; ALTER TOPIC feed ADD SOURCE notes"); err != nil {
			return err
		}
		if err := rages(ctx, db, victims[:1], secret); err != nil {
			return err
		}
		m := kalam.WithUser(ctx, mallory)
		for _, s := range []string{"CREATE TOPIC mine", "ALTER TOPIC feed ADD SOURCE tags", "ALTER TOPIC feed DROP SOURCE notes", "DROP TOPIC feed", "ACK feed GROUP g UPTO OFFSET 1"} {
			if _, err := db.ExecContext(m, s); !denied(err) {
				return fmt.Errorf("%s: %v", s, err)
			}
		}
		rows, err := db.QueryContext(m, "CONSUME FROM feed FROM EARLIEST")
		if err == nil {
			rows.Close()
		}
		if !denied(err) {
			return fmt.Errorf("mallory consumes: %v", err)
		}
		return nil
	})
}
