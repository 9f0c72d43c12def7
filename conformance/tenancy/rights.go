package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/google/go-cmp/cmp"

	"github.com/kalamgo/kalam"
)

var rightsChecks = []check{
	{"DROP USER … CASCADE removes that user's rows and no other's", dropUsers},
	{"a user makes itself no more than it is", noEscalation},
	{"who signed in acts as nobody else", signedIn},
}

// denied reports whether an error says that a user may not do what it tried.
func denied(err error) bool {
	return errors.Is(err, kalam.ErrAccessDenied) || errors.Is(err, kalam.ErrPrivilegeNeeded) || errors.Is(err, kalam.ErrSignInDenied)
}

// dropUsers ends one user after the other. Their ids are prefixes and look-alikes of one another.
func dropUsers(ctx context.Context) error {
	return filled(ctx, func(db *sql.DB) error {
		w := &world{db: db}
		before, err := w.exports(ctx)
		if err != nil {
			return err
		}
		for i, v := range victims {
			if v == "system" || v == "" {
				continue // who cannot be dropped
			}
			if _, err := db.ExecContext(ctx, "DROP USER IF EXISTS ? CASCADE", v); err != nil {
				return fmt.Errorf("user %.20q: %w", v, err)
			}
			for _, table := range []string{"notes", "notes WHERE _deleted", "tags", "loose", "events", "log", "titles", "bin"} {
				if got, err := observe(kalam.WithUser(ctx, v), db, "SELECT COUNT(*) FROM "+table); err != nil || plain(got) != "0" {
					return fmt.Errorf("user %.20q is gone and has %s rows in %s (%v)", v, plain(got), table, err)
				}
			}
			after, err := w.exports(ctx)
			if err != nil {
				return err
			}
			before[i] = after[i]
			if d := cmp.Diff(before, after); d != "" {
				return fmt.Errorf("with user %.20q others' rows are gone: %s", v, d)
			}
		}
		return belongs(db.QueryRowContext(kalam.WithUser(ctx, mallory), mine, 0), mallory)
	})
}

// noEscalation has mallory try what would give more rights.
func noEscalation(ctx context.Context) error {
	return filled(ctx, func(db *sql.DB) error {
		if _, err := db.ExecContext(ctx, "CREATE USER 'mallory', 'alice'; REVOKE ALL ON *.* FROM ROLE 'user'"); err != nil {
			return err
		}
		m := kalam.WithUser(ctx, mallory)
		for _, s := range []string{
			"GRANT ALL ON *.* TO 'mallory'", "GRANT SELECT ON rooms TO ROLE 'user'", "REVOKE ALL ON *.* FROM 'alice'",
			"CREATE USER 'eve' ROLE system", "CREATE USER 'eve'", "ALTER USER 'mallory' ROLE service", "ALTER USER 'alice' IDENTIFIED BY 'x'",
			"DROP USER 'alice'", "DROP USER 'alice' CASCADE", "DROP USER 'mallory' CASCADE",
			"INSERT INTO system.users (name, role) VALUES ('eve', 'dba')", "UPDATE system.users SET role = 'system'", "DELETE FROM system.users",
			"UPDATE system.users SET role = 'system' WHERE name = 'mallory'",
			"EXECUTE AS USER 'alice' (DELETE FROM notes)", "EXECUTE AS USER 'system' (DELETE FROM system.users)",
			"SET PASSWORD FOR 'alice' = 'x'", "CREATE TRIGGER t AFTER INSERT ON rooms FOR EACH ROW DELETE FROM notes",
			"CREATE SQL SECURITY DEFINER VIEW v AS SELECT * FROM rooms", "CREATE DEFINER = 'system' VIEW v AS SELECT * FROM rooms",
			"DROP TABLE notes", "ALTER TABLE notes ADD COLUMN c INT", "CREATE TABLE t (id INT PRIMARY KEY)", "BACKUP DATABASE `default` TO '/nowhere'",
			"LOAD DATA INFILE '/etc/passwd' INTO TABLE loose", "KILL JOB '1'",
		} {
			if _, err := db.ExecContext(m, s); !denied(err) {
				return fmt.Errorf("%s: %v", s, err)
			}
		}
		for u, want := range map[string]string{mallory: "user", "alice": "user"} {
			if got, err := observe(ctx, db, "SELECT role FROM system.users WHERE name = '"+u+"'"); err != nil || plain(got) != want {
				return fmt.Errorf("%s has the role %q (%v)", u, plain(got), err)
			}
		}
		return belongs(db.QueryRowContext(kalam.WithUser(ctx, "alice"), mine, 0), "alice")
	})
}

// signedIn has users who know their own passwords alone.
func signedIn(ctx context.Context) error {
	const dsn = "file:tenancy-passwords?mode=memory&user="
	owner, err := sql.Open("kalam", dsn+"system&password=owner")
	if err != nil {
		return err
	}
	defer owner.Close()
	if _, err := owner.ExecContext(ctx, "CREATE USER TABLE t (who VARCHAR(30)); ALTER USER 'system' IDENTIFIED BY 'owner'"); err != nil {
		return err
	}
	if _, err := owner.ExecContext(ctx, "CREATE USER 'ann' IDENTIFIED BY 'apple', 'bob' IDENTIFIED BY 'pear', 'shop' IDENTIFIED BY 'plum' ROLE service"); err != nil {
		return err
	}
	for _, wrong := range []string{"ann", "ann&password=", "ann&password=pear", "ann&password=Apple", "ann%00&password=apple", "Ann&password=apple", "eve&password=apple", "system", "system&password=apple"} {
		db, err := sql.Open("kalam", dsn+wrong)
		if err != nil {
			return err
		}
		_, err = db.ExecContext(ctx, "SELECT 1")
		db.Close()
		if !denied(err) {
			return fmt.Errorf("user=%s is let in: %v", wrong, err)
		}
	}
	ann, err := sql.Open("kalam", dsn+"ann&password=apple")
	if err != nil {
		return err
	}
	defer ann.Close()
	if _, err := ann.ExecContext(ctx, "INSERT INTO t VALUES (CURRENT_USER())"); err != nil {
		return err
	}
	for _, other := range []string{"bob", "shop", "system", "eve", "ann\x00"} {
		if _, err := ann.ExecContext(kalam.WithUser(ctx, other), "INSERT INTO t VALUES ('forged')"); !denied(err) {
			return fmt.Errorf("ann acts as %q: %v", other, err)
		}
	}
	if got, err := observe(kalam.WithUser(ctx, "ann"), owner, "SELECT who FROM t"); err != nil || plain(got) != "ann" {
		return fmt.Errorf("ann has %q (%v)", plain(got), err)
	}
	return nil
}
