package engine

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kalamgo/kalam/engine/rights"
	"github.com/kalamgo/kalam/engine/sqlerr"
)

// matrixOperations are what the matrix of rights is made of: statements on the table
// %s, and what brings it back to what it was.
var matrixOperations = []struct{ name, sql string }{
	{"SELECT", "SELECT * FROM %s"},
	{"INSERT", "INSERT INTO %s (id) VALUES (7)"},
	{"UPDATE", "UPDATE %s SET n = 1"},
	{"DELETE", "DELETE FROM %s"},
	{"FOR UPDATE", "SELECT * FROM %s FOR UPDATE"},
	{"SUBSCRIBE", "SUBSCRIBE TO SELECT * FROM %s"},
	{"SHOW CREATE", "SHOW CREATE TABLE %s"},
	{"TRUNCATE", "TRUNCATE TABLE %s"},
	{"ALTER", "ALTER TABLE %s ADD COLUMN more INT"},
	{"INDEX", "CREATE INDEX i ON %s (n)"},
	{"TRIGGER", "CREATE TRIGGER tr BEFORE INSERT ON %s FOR EACH ROW SET NEW.n = 1"},
	{"DROP", "DROP TABLE %s"},
	{"LIKE", "CREATE TABLE made LIKE %s"},
}

// matrixStatements are those that are about no table.
var matrixStatements = []string{
	"CREATE TABLE made (id INT)", "CREATE VIEW made AS SELECT 1", "CREATE NAMESPACE made", "DROP NAMESPACE IF EXISTS made", "ALTER NAMESPACE `default` SET (a='b')",
	"CREATE USER made", "ALTER USER ann EMAIL 'a'", "DROP USER IF EXISTS nobody", "GRANT SELECT ON *.* TO ROLE user", "REVOKE INSERT ON *.* FROM ROLE service", "SHOW GRANTS",
	"SHOW GRANTS FOR ROLE user", "KILL JOB 1", "KILL LIVE QUERY 'x'", "DESCRIBE TABLE private HISTORY", "UPDATE system.jobs SET state = 'queued' LIMIT 0", "INSERT INTO system.users (name) VALUES ('x')", "CHECK TABLE public", "REPAIR TABLE public", "PACK TABLE public", "ANALYZE TABLE public", "CHECK DATABASE", "BACKUP DATABASE TO '/nonexistent/x'",
	"RESTORE DATABASE FROM '/nonexistent/x'", "VERIFY BACKUP '/nonexistent/x'", "LOAD DATA INFILE '/nonexistent/x' INTO TABLE mine", "SHOW PROCESSLIST", "SHOW TABLES", "SHOW JOBS",
	"SELECT * FROM system.users", "SELECT * FROM system.namespaces", "SELECT * FROM system.tables", "SELECT * FROM system.table_schemas", "SELECT * FROM system.storage_locations",
	"SELECT * FROM system.live_queries", "SELECT * FROM system.jobs", "SELECT * FROM information_schema.tables", "SET @x = 1", "BEGIN", "USE system",
	"EXECUTE AS USER 'unrecorded' (SELECT 1)", "EXECUTE AS USER 'sam' (SELECT 1)", "EXECUTE AS USER 'dan' (SELECT 1)", "EXECUTE AS USER 'system' (SELECT 1)",
}

// TestRightsMatrix prints what users of each role may do, without grants, to
// testdata/rights.txt: yes, or the error that they get. 1142, 1227 and 1044 deny.
func TestRightsMatrix(t *testing.T) {
	t.Parallel()
	kinds := []struct{ name, sql string }{
		{"mine", "CREATE USER TABLE mine (id INT PRIMARY KEY, n INT)"},
		{"events", "CREATE STREAM TABLE events (id INT, n INT) WITH (TTL_SECONDS=60)"},
		{"plain", "CREATE TABLE plain (id INT PRIMARY KEY, n INT)"},
		{"public", "CREATE TABLE public (id INT PRIMARY KEY, n INT) WITH (ACCESS_LEVEL='PUBLIC')"},
		{"private", "CREATE TABLE private (id INT PRIMARY KEY, n INT) WITH (ACCESS_LEVEL='PRIVATE')"},
		{"restricted", "CREATE TABLE restricted (id INT PRIMARY KEY, n INT) WITH (ACCESS_LEVEL='RESTRICTED')"},
		{"invoker", "CREATE SQL SECURITY INVOKER VIEW invoker AS SELECT * FROM private"},
		{"definer", "CREATE SQL SECURITY DEFINER VIEW definer AS SELECT * FROM private"},
	}
	roles := map[rights.Role]string{rights.User: "ann", rights.Service: "sam", rights.DBA: "dan", rights.System: "root"}
	set := func() (*Engine, *Session) {
		e := openMem(t, Config{})
		s := newSession(t, e, SessionConfig{})
		run(t, s, "CREATE USER ann, sam ROLE service, dan ROLE dba, root ROLE system")
		for _, k := range kinds {
			run(t, s, k.sql)
		}
		return e, s
	}
	outcome := func(e *Engine, user, sql string) string {
		s := newSession(t, e, SessionConfig{User: user})
		defer s.Close()
		rows, err := s.Query(t.Context(), sql, nil)
		if err == nil {
			rows.Close()
			return "yes"
		}
		return fmt.Sprint(sqlerr.As(err).Kind.Number)
	}
	var out strings.Builder
	fmt.Fprintf(&out, "%-50s", "")
	for _, r := range rights.Roles {
		fmt.Fprintf(&out, " %-8s", r)
	}
	line := func(name, sql string) {
		fmt.Fprintf(&out, "\n%-50s", name)
		for _, r := range rights.Roles {
			e, _ := set()
			fmt.Fprintf(&out, " %-8s", outcome(e, roles[r], sql))
		}
	}
	for _, k := range kinds {
		for _, op := range matrixOperations {
			line(k.name+": "+op.name, fmt.Sprintf(op.sql, k.name))
		}
	}
	for _, sql := range matrixStatements {
		line(sql, sql)
	}
	got := strings.ReplaceAll(out.String()+"\n", " \n", "\n")
	for strings.Contains(got, " \n") {
		got = strings.ReplaceAll(got, " \n", "\n")
	}
	const file = "testdata/rights.txt"
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); d != "" {
		t.Error(d)
	}
}

// TestSubscribeNeedsRights opens live queries by SQL and by Subscribe, also with a plan
// that another user had made.
func TestSubscribeNeedsRights(t *testing.T) {
	onEach(t, func(t *testing.T, e *Engine) {
		s := newSession(t, e, SessionConfig{})
		run(t, s, "CREATE TABLE t (id INT PRIMARY KEY) WITH (ACCESS_LEVEL='PRIVATE')")
		const sql = "SUBSCRIBE TO SELECT id FROM t"
		for range 2 {
			sub, err := s.Subscribe(t.Context(), sql, nil, SubscribeOptions{})
			if err != nil {
				t.Fatal(err)
			}
			defer sub.Close()
			ctx := WithUser(t.Context(), "ann")
			_, err = s.Subscribe(ctx, sql, nil, SubscribeOptions{})
			wantKind(t, err, sqlerr.AccessDenied)
			_, err = s.Query(ctx, sql, nil)
			wantKind(t, err, sqlerr.AccessDenied)
			_, err = s.Query(t.Context(), "EXECUTE AS USER 'ann' ("+sql+")", nil)
			wantKind(t, err, sqlerr.AccessDenied)
			id := strings.TrimSuffix(query(t, s, "SELECT MIN(id) FROM system.live_queries"), ";")
			_, err = s.Exec(ctx, "KILL LIVE QUERY '"+id+"'", nil)
			wantKind(t, err, sqlerr.NoSuchLive)
		}
		run(t, s, "GRANT SELECT ON t TO ROLE user")
		sub, err := s.Subscribe(WithUser(t.Context(), "ann"), sql, nil, SubscribeOptions{})
		if err != nil {
			t.Fatal(err)
		}
		sub.Close()
	})
}
