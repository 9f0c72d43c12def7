package kalam_test

import (
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/kalamgo/kalam"
	"github.com/kalamgo/kalam/driver"
)

// signIn opens the database of the test as a user, and pings it.
func signIn(t *testing.T, user, password string) (*sql.DB, error) {
	t.Helper()
	q := url.Values{"mode": {"memory"}}
	if user != "" {
		q.Set("user", user)
	}
	if password != "" {
		q.Set("password", password)
	}
	db, err := sql.Open("kalam", "file:"+t.Name()+"?"+q.Encode())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db, db.PingContext(t.Context())
}

func TestSignIn(t *testing.T) {
	t.Parallel()
	owner, err := signIn(t, "", "")
	if err != nil {
		t.Fatal(err)
	}
	check := func(user, password string, in bool) {
		t.Helper()
		_, err := signIn(t, user, password)
		if in && err != nil || !in && !errors.Is(err, kalam.ErrSignInDenied) {
			t.Errorf("%q with %q: %v", user, password, err)
		}
		if password != "" && err != nil && strings.Contains(err.Error(), password) {
			t.Errorf("the error shows the password: %v", err)
		}
	}
	// Nobody has a password: anybody is who he says.
	mustExec(t, t.Context(), owner, "CREATE USER 'alice', 'bob' ROLE dba")
	check("alice", "", true)
	check("nobody", "", true)
	check("alice", "whatever", true)

	alice, _ := signIn(t, "alice", "")
	mustExec(t, t.Context(), owner, "ALTER USER alice IDENTIFIED BY ?", "s3cret;'\"")
	check("alice", "s3cret;'\"", true)
	check("alice", "s3cret;'\"", true) // remembered
	check("alice", "s3cret", false)
	check("alice", "", false)
	check("nobody", "", false)
	check("nobody", "s3cret;'\"", false)
	check("bob", "", false) // it has none: nobody signs in as bob
	check("bob", "x", false)
	check("", "", true) // the owner
	check("system", "", true)
	check("system", "x", false)
	mustExec(t, t.Context(), alice, "SELECT 1") // who is in stays in

	_, err = signIn(t, "alice", "wrong")
	if want := "Error 1045 (28000): Access denied for user 'alice'@'localhost' (using password: YES)"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	_, err = signIn(t, "alice", "")
	if want := "Error 1045 (28000): Access denied for user 'alice'@'localhost' (using password: NO)"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}

	mustExec(t, t.Context(), alice, "SET PASSWORD = 'another'")
	check("alice", "s3cret;'\"", false)
	check("alice", "another", true)
	mustExec(t, t.Context(), owner, "SET PASSWORD = 'owner''s'")
	check("", "", false)
	check("", "owner's", true)
	check("system", "owner's", true)
	mustExec(t, t.Context(), owner, "DROP USER alice")
	check("alice", "another", false)
	mustExec(t, t.Context(), owner, "ALTER USER system IDENTIFIED BY ''")
	check("nobody", "", true) // again nobody has one
}

// TestSignInOfPool opens many connections at once with one password.
func TestSignInOfPool(t *testing.T) {
	t.Parallel()
	owner, _ := signIn(t, "", "")
	mustExec(t, t.Context(), owner, "CREATE USER u IDENTIFIED BY 'pw'")
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			password := "pw"
			if i%4 == 3 {
				password = "no"
			}
			_, err := signIn(t, "u", password)
			if (err == nil) != (password == "pw") {
				t.Errorf("with %q: %v", password, err)
			}
		})
	}
	wg.Wait()
}

// TestSignInConfig says who asks in Go.
func TestSignInConfig(t *testing.T) {
	t.Parallel()
	c := driver.Config{Path: t.TempDir() + "/app.kdb", User: "ann", Password: "p&w=%?"}
	for range 2 {
		connector, err := driver.NewConnector(c)
		if err != nil {
			t.Fatal(err)
		}
		db := sql.OpenDB(connector)
		mustExec(t, t.Context(), db, "SELECT 1")
		db.Close()
		// From the second time on ann has a password.
		owner, err := sql.Open("kalam", c.Path)
		if err != nil {
			t.Fatal(err)
		}
		mustExec(t, t.Context(), owner, "CREATE USER IF NOT EXISTS ? IDENTIFIED BY ?", c.User, c.Password)
		owner.Close()
	}
	if again, err := driver.ParseDSN(c.FormatDSN()); err != nil || again != c {
		t.Errorf("%s is read as %+v, %v", c.FormatDSN(), again, err)
	}
	for _, text := range []string{c.String(), fmt.Sprint(c), fmt.Sprintf("%+v", c)} {
		if strings.Contains(text, "p&w") || strings.Contains(text, url.QueryEscape("p&w")) {
			t.Errorf("%s shows the password", text)
		}
	}
	for _, dsn := range []string{
		"app.kdb?password=secret", "file:a%zz?password=secret", "file:a?password=secret%zz", "file:?password=secret", "file:a?x=1&password=secret&y=2",
		"file:a?password=secret&password=secret", "file:a\x00?password=secret",
	} {
		if _, err := driver.ParseDSN(dsn); err == nil || strings.Contains(err.Error(), "secret") || strings.Contains(fmt.Sprintf("%+v", err), "secret") {
			t.Errorf("%s: %v", dsn, err)
		}
	}
}

// TestSecretsStayHidden looks for passwords and their hashes wherever SQL shows
// something.
func TestSecretsStayHidden(t *testing.T) {
	t.Parallel()
	db, _ := signIn(t, "", "")
	const secret = "hunter2"
	mustExec(t, t.Context(), db, "CREATE USER u IDENTIFIED BY '"+secret+"'; PREPARE p FROM 'ALTER USER u IDENTIFIED BY ''"+secret+"'''; EXECUTE p")
	mustExec(t, t.Context(), db, "DROP USER IF EXISTS '"+secret[:3]+"' CASCADE")
	look := func(query string) {
		t.Helper()
		rows, err := db.Query(query)
		if err != nil {
			if strings.Contains(err.Error(), secret) {
				t.Errorf("%v", err)
			}
			return
		}
		defer rows.Close()
		columns, _ := rows.Columns()
		for rows.Next() {
			values := make([]sql.NullString, len(columns))
			into := make([]any, len(columns))
			for i := range values {
				into[i] = &values[i]
			}
			if err := rows.Scan(into...); err != nil {
				t.Fatal(err)
			}
			for i, v := range values {
				if strings.Contains(v.String, secret) || strings.Contains(v.String, "argon2") {
					t.Errorf("%s shows it in %s: %s", query, columns[i], v.String)
				}
			}
		}
	}
	for _, table := range []string{"users", "namespaces", "tables", "table_schemas", "storage_locations", "live_queries", "jobs"} {
		look("SELECT * FROM system." + table)
	}
	for _, query := range []string{
		"SHOW WARNINGS", "SHOW GRANTS", "SHOW JOBS", "SHOW VARIABLES", "SHOW STATUS",
		"CREATE USER u IDENTIFIED BY '" + secret + "'", "CREATE USER v IDENTIFIED BY '" + secret + "' ROLE '" + secret[:2] + "'",
		"CREATE USER v IDENTIFIED BY '" + secret, "ALTER USER v IDENTIFIED '" + secret + "'", "SET PASSWORD TO '" + secret + "'",
		"EXECUTE AS USER 'x' (ALTER USER v IDENTIFIED BY '" + secret + "')", "EXPLAIN ALTER USER v IDENTIFIED BY '" + secret + "'",
		"CREATE USER w IDENTIFIED BY 0x" + secret, "CREATE TRIGGER t BEFORE INSERT ON x FOR EACH ROW ALTER USER v IDENTIFIED BY '" + secret + "'",
	} {
		look(query)
	}
	// A statement that runs is seen by others without it.
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	for _, statement := range []string{
		"SELECT GROUP_CONCAT(info) FROM information_schema.processlist WHERE 'identified by' <> '" + secret + "'",
		"SELECT GROUP_CONCAT(info) FROM information_schema.processlist WHERE \"password\" <> \"" + secret + "\"",
	} {
		var info string
		if err := tx.QueryRow(statement).Scan(&info); err != nil || strings.Contains(info, secret) || !strings.Contains(info, "<secret>") {
			t.Errorf("the process list shows %s (%v)", info, err)
		}
	}
}
