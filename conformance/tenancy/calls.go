package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/kalamgo/kalam"
)

var callChecks = []check{
	{"plans are shared, rows are not", sharedPlans},
	{"prepared statements under another user", preparedStatements},
	{"pooled connections are reset", pooledConnections},
	{"a transaction's user is fixed when it begins", fixedUser},
	{"rows stay their user's while the connection serves another", openRows},
	{"users do not wait for one another", noWaiting},
	{"the user of a data source name", dsnUser},
	{"a user that is a parameter", parameterUser},
	{"many users on few connections", manyOnFew},
}

// mine is a query of which each user's answer is different.
const mine = "SELECT GROUP_CONCAT(title ORDER BY id), COUNT(*), CURRENT_USER() FROM notes WHERE n > ?"

// filled returns a world with others' rows; its database is closed after f.
func filled(ctx context.Context, f func(*sql.DB) error) error {
	w, err := newWorld(ctx, true)
	if err != nil {
		return err
	}
	return errors.Join(f(w.db), w.db.Close())
}

// belongs finds out whether a row of mine is a user's.
func belongs(row *sql.Row, user string) error {
	var titles sql.NullString
	var count int
	var who string
	if err := row.Scan(&titles, &count, &who); err != nil {
		return fmt.Errorf("as user %.20q: %w", user, err)
	}
	word, n := secret, 25
	if user == mallory {
		word, n = "mine", 3
	}
	if count != n || who != user || strings.Count(titles.String, word) != n {
		return fmt.Errorf("user %.20q sees %d rows of %.20q: %s", user, count, who, titles.String)
	}
	return nil
}

var askers = append([]string{mallory}, victims...)

func sharedPlans(ctx context.Context) error {
	return filled(ctx, func(db *sql.DB) error {
		for range 3 {
			for _, u := range askers {
				if err := belongs(db.QueryRowContext(kalam.WithUser(ctx, u), mine, 0), u); err != nil {
					return err
				}
				// The same text without parameters, and one whose plan has the value in it.
				if err := belongs(db.QueryRowContext(kalam.WithUser(ctx, u), strings.Replace(mine, "?", "0", 1)), u); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

func preparedStatements(ctx context.Context) error {
	return filled(ctx, func(db *sql.DB) error {
		db.SetMaxOpenConns(2)
		st, err := db.PrepareContext(kalam.WithUser(ctx, "alice"), mine)
		if err != nil {
			return err
		}
		defer st.Close()
		for range 2 {
			for _, u := range askers {
				if err := belongs(st.QueryRowContext(kalam.WithUser(ctx, u), 0), u); err != nil {
					return err
				}
			}
		}
		insert, err := db.PrepareContext(kalam.WithUser(ctx, mallory), "INSERT INTO loose VALUES (?)")
		if err != nil {
			return err
		}
		defer insert.Close()
		for i, u := range askers {
			if _, err := insert.ExecContext(kalam.WithUser(ctx, u), fmt.Sprint("by ", i)); err != nil {
				return err
			}
		}
		for i, u := range askers {
			got, err := observe(kalam.WithUser(ctx, u), db, "SELECT v FROM loose WHERE v LIKE 'by %'")
			if err != nil {
				return err
			}
			if want := fmt.Sprint("by ", i); plain(got) != want {
				return fmt.Errorf("user %.20q has %q, not %q", u, plain(got), want)
			}
		}
		// In a transaction they are the transaction's user's.
		tx, err := db.BeginTx(kalam.WithUser(ctx, mallory), nil)
		if err != nil {
			return err
		}
		defer tx.Rollback()
		if err := belongs(tx.StmtContext(ctx, st).QueryRowContext(ctx, 0), mallory); err != nil {
			return err
		}
		alice := kalam.WithUser(ctx, "alice")
		if err := belongs(tx.StmtContext(alice, st).QueryRowContext(alice, 0), "alice"); !errors.Is(err, kalam.ErrOtherUser) {
			return fmt.Errorf("alice in mallory's transaction: %v", err)
		}
		return nil
	})
}

func pooledConnections(ctx context.Context) error {
	return filled(ctx, func(db *sql.DB) error {
		db.SetMaxOpenConns(1)
		alice, m := kalam.WithUser(ctx, "alice"), kalam.WithUser(ctx, mallory)
		if _, err := db.ExecContext(ctx, "CREATE NAMESPACE other; CREATE USER TABLE other.notes (id INT PRIMARY KEY, title TEXT, n INT)"); err != nil {
			return err
		}
		conn, err := db.Conn(ctx)
		if err != nil {
			return err
		}
		for _, statement := range []string{"USE other", "SET @a = 's3cret'", "PREPARE p FROM 'SELECT title FROM `default`.notes'", "BEGIN",
			"UPDATE `default`.notes SET title = CONCAT(title, '-left open')", "INSERT INTO `default`.notes (title) VALUES ('s3cret-left open')", "SET sql_select_limit = 1"} {
			if _, err := conn.ExecContext(alice, statement); err != nil {
				return fmt.Errorf("%s: %w", statement, err)
			}
		}
		if err := conn.Close(); err != nil {
			return err
		}
		if err := belongs(db.QueryRowContext(m, mine, 0), mallory); err != nil {
			return err
		}
		for statement, want := range map[string]string{
			"SELECT @a":                     "NULL",
			"SELECT LAST_INSERT_ID()":       "0",
			"SELECT DATABASE()":             "default",
			"SELECT COUNT(*) FROM rooms":    "4",
			"SELECT id FROM rooms LIMIT 99": "1 2 3 7",
		} {
			got, err := observe(m, db, statement)
			if err != nil || plain(got) != want {
				return fmt.Errorf("%s gives %q, not %q (%v)", statement, plain(got), want, err)
			}
		}
		if _, err := db.ExecContext(m, "EXECUTE p"); err == nil {
			return errors.New("alice's PREPARE is there for mallory")
		}
		// What alice left open was undone.
		return belongs(db.QueryRowContext(alice, mine, 0), "alice")
	})
}

func fixedUser(ctx context.Context) error {
	return filled(ctx, func(db *sql.DB) error {
		db.SetMaxOpenConns(1)
		alice, m := kalam.WithUser(ctx, "alice"), kalam.WithUser(ctx, mallory)
		for _, level := range []sql.IsolationLevel{sql.LevelReadCommitted, sql.LevelRepeatableRead, sql.LevelSerializable} {
			tx, err := db.BeginTx(alice, &sql.TxOptions{Isolation: level})
			if err != nil {
				return err
			}
			_, exec := tx.ExecContext(m, "UPDATE notes SET n = 0")
			_, commit := tx.ExecContext(m, "COMMIT")
			_, begin := tx.ExecContext(m, "BEGIN")
			_, rows := tx.QueryContext(m, "SELECT * FROM notes")
			_, none := tx.ExecContext(kalam.WithUser(ctx, ""), "DELETE FROM notes")
			for i, err := range []error{exec, commit, begin, rows, none} {
				if !errors.Is(err, kalam.ErrOtherUser) {
					return fmt.Errorf("%v: statement %d of mallory in alice's transaction: %v", level, i, err)
				}
			}
			if err := belongs(tx.QueryRowContext(ctx, mine, 0), "alice"); err != nil { // a context without user
				return err
			}
			if err := belongs(tx.QueryRowContext(alice, mine, 0), "alice"); err != nil {
				return err
			}
			if _, err := tx.ExecContext(ctx, "UPDATE notes SET body = ?", level.String()); err != nil {
				return err
			}
			if err := tx.Commit(); err != nil {
				return err
			}
			for user, want := range map[string]string{"alice": level.String(), mallory: "mine"} {
				if got, err := observe(kalam.WithUser(ctx, user), db, "SELECT DISTINCT body FROM notes"); err != nil || plain(got) != want {
					return fmt.Errorf("%v: %s has %q, not %q (%v)", level, user, plain(got), want, err)
				}
			}
		}
		return nil
	})
}

func openRows(ctx context.Context) error {
	return filled(ctx, func(db *sql.DB) error {
		conn, err := db.Conn(ctx)
		if err != nil {
			return err
		}
		defer conn.Close()
		alice, m := kalam.WithUser(ctx, "alice"), kalam.WithUser(ctx, mallory)
		rows, err := conn.QueryContext(alice, "SELECT a.title FROM notes a JOIN numbers WHERE EXISTS (SELECT 1 FROM notes b WHERE b.id = a.id)")
		if err != nil {
			return err
		}
		defer rows.Close()
		n := 0
		for ; rows.Next(); n++ {
			if n%1000 == 0 {
				if err := belongs(conn.QueryRowContext(m, mine, 0), mallory); err != nil {
					return err
				}
				if _, err := conn.ExecContext(m, "INSERT INTO loose VALUES ('meanwhile')"); err != nil {
					return err
				}
			}
			var title string
			if err := rows.Scan(&title); err != nil {
				return err
			}
			if !strings.HasPrefix(title, secret) {
				return fmt.Errorf("alice is given %q", title)
			}
		}
		if n != 25*900 {
			return fmt.Errorf("%d rows", n)
		}
		return rows.Err()
	})
}

// noWaiting lets alice hold locks on everything that is hers.
func noWaiting(ctx context.Context) error {
	return filled(ctx, func(db *sql.DB) error {
		alice, m := kalam.WithUser(ctx, "alice"), kalam.WithUser(ctx, mallory)
		tx, err := db.BeginTx(alice, nil)
		if err != nil {
			return err
		}
		defer tx.Rollback()
		for _, statement := range []string{"SELECT * FROM notes FOR UPDATE", "SELECT * FROM tags FOR UPDATE", "UPDATE notes SET n = n + 1", "DELETE FROM loose",
			"INSERT INTO notes (id, title) VALUES (500, 'm1')", "UPDATE notes SET id = 600 WHERE id = 25", "INSERT INTO loose SELECT i FROM numbers", "INSERT INTO events VALUES (1, 'x')"} {
			if _, err := tx.ExecContext(ctx, statement); err != nil {
				return fmt.Errorf("%s: %w", statement, err)
			}
		}
		soon, stop := context.WithTimeout(m, 10*time.Second)
		defer stop()
		other, err := db.BeginTx(m, nil)
		if err != nil {
			return err
		}
		defer other.Rollback()
		for _, statement := range []string{"SELECT * FROM notes FOR UPDATE NOWAIT", "SELECT * FROM tags FOR UPDATE NOWAIT", "UPDATE notes SET n = n + 1", "DELETE FROM loose",
			"INSERT INTO notes (id, title) VALUES (500, 'm1')", "INSERT INTO notes (id, title) VALUES (25, 's3cret-25')", "UPDATE notes SET id = 600 WHERE id = 3",
			"INSERT INTO tags VALUES (1, 'new')", "INSERT INTO loose SELECT i FROM numbers", "INSERT INTO events VALUES (1, 'x')"} {
			if _, err := other.ExecContext(soon, statement); err != nil {
				return fmt.Errorf("%s: %w", statement, err)
			}
		}
		return errors.Join(other.Commit(), tx.Commit())
	})
}

func dsnUser(ctx context.Context) error {
	const dsn = "file:tenancy-dsn?mode=memory&user="
	pools := map[string]*sql.DB{}
	for _, u := range []string{"system", "alice", "bob", "a%26user%3Dbob"} {
		db, err := sql.Open("kalam", dsn+u)
		if err != nil {
			return err
		}
		defer db.Close()
		pools[u] = db
	}
	if _, err := pools["system"].ExecContext(ctx, "CREATE USER TABLE t (who VARCHAR(30))"); err != nil {
		return err
	}
	for u, db := range pools {
		if _, err := db.ExecContext(ctx, "INSERT INTO t VALUES (CURRENT_USER())"); err != nil {
			return fmt.Errorf("%s: %w", u, err)
		}
	}
	for u, db := range pools {
		want, _ := strings.CutPrefix(strings.NewReplacer("%26", "&", "%3D", "=").Replace(u), "")
		if got, err := observe(ctx, db, "SELECT who FROM t"); err != nil || plain(got) != want {
			return fmt.Errorf("%s sees %q (%v)", want, plain(got), err)
		}
		if u == "system" {
			continue
		}
		if _, err := db.ExecContext(kalam.WithUser(ctx, "system"), "SELECT 1"); !errors.Is(err, kalam.ErrAccessDenied) {
			return fmt.Errorf("%s acts as system: %v", u, err)
		}
		if _, err := db.BeginTx(kalam.WithUser(ctx, "carol"), nil); !errors.Is(err, kalam.ErrAccessDenied) {
			return fmt.Errorf("%s begins a transaction of carol: %v", u, err)
		}
		if err := kalam.ExportUser(ctx, db, "carol", &strings.Builder{}); !errors.Is(err, kalam.ErrAccessDenied) {
			return fmt.Errorf("%s exports carol's rows: %v", u, err)
		}
	}
	return nil
}

// parameterUser gives EXECUTE AS USER ids that are SQL.
func parameterUser(ctx context.Context) error {
	return filled(ctx, func(db *sql.DB) error {
		for _, u := range append(trickyIDs()[:60], "alice' (SELECT 1)) -- ", "mallory' OR '1'='1") {
			var n int
			var who string
			if err := db.QueryRowContext(ctx, "EXECUTE AS USER ? (SELECT COUNT(*), CURRENT_USER() FROM notes WHERE n > ?)", u, 0).Scan(&n, &who); err != nil {
				return fmt.Errorf("%q: %w", u, err)
			}
			want := 0
			for _, v := range victims {
				if v == u {
					want = 25
				}
			}
			if n != want || who != u {
				return fmt.Errorf("user %q is %q and sees %d rows", u, who, n)
			}
			_, err := db.ExecContext(kalam.WithUser(ctx, mallory), "EXECUTE AS USER ? (DELETE FROM notes)", u)
			if !errors.Is(err, kalam.ErrAccessDenied) {
				return fmt.Errorf("mallory acts as %q: %v", u, err)
			}
		}
		return nil
	})
}

func manyOnFew(ctx context.Context) error {
	return filled(ctx, func(db *sql.DB) error {
		db.SetMaxOpenConns(3)
		st, err := db.PrepareContext(ctx, mine)
		if err != nil {
			return err
		}
		defer st.Close()
		errs := make([]error, len(askers))
		var wg sync.WaitGroup
		for i, u := range askers {
			wg.Go(func() {
				ctx := kalam.WithUser(ctx, u)
				for k := range 20 {
					query := func() *sql.Row { return st.QueryRowContext(ctx, 0) }
					if k%2 == 0 {
						query = func() *sql.Row { return db.QueryRowContext(ctx, mine, 0) }
					}
					if errs[i] = belongs(query(), u); errs[i] != nil {
						return
					}
					if _, errs[i] = db.ExecContext(ctx, "UPDATE notes SET n = n + 1 WHERE n > 0"); errs[i] != nil {
						return
					}
				}
			})
		}
		wg.Wait()
		return errors.Join(errs...)
	})
}
