package dump

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kalamgo/kalam/engine"
	"github.com/kalamgo/kalam/engine/sqlerr"
)

func session(t *testing.T, user string) *engine.Session {
	t.Helper()
	e, err := engine.Open(t.Context(), engine.Config{InMemory: true, Create: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return sessionOf(t, e, user)
}

func sessionOf(t *testing.T, e *engine.Engine, user string) *engine.Session {
	t.Helper()
	s, err := e.NewSession(engine.SessionConfig{User: user})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func run(t *testing.T, ctx context.Context, s *engine.Session, sql string) {
	t.Helper()
	if _, err := s.Exec(ctx, sql, nil); err != nil {
		t.Fatalf("%.300s: %v", sql, err)
	}
}

// whole returns the dump of a session's database.
func whole(t *testing.T, s *engine.Session, o Options) string {
	t.Helper()
	var b strings.Builder
	if err := errors.Join(Database(t.Context(), s, &b, o), s.Reset()); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// of returns the export of a user.
func of(t *testing.T, s *engine.Session, user string, namespaces ...string) string {
	t.Helper()
	var b strings.Builder
	if err := errors.Join(User(t.Context(), s, &b, user, namespaces...), s.Reset()); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// users are ids that texts or an order could mix up.
var users = []string{"", "\x00", "a", "a\x00", "ab", "it's", `a\`, "\xff\xfe", "ä", "'); DROP TABLE notes; --", strings.Repeat("x", 64<<10)}

// fill makes tables of all kinds, in which each user has rows that have his number.
func fill(t *testing.T, s *engine.Session) {
	t.Helper()
	run(t, t.Context(), s, `
CREATE USER TABLE notes (id INT PRIMARY KEY AUTO_INCREMENT, n INT NOT NULL, t TEXT, b VARBINARY(20), j JSON, d DECIMAL(65,30), f FLOAT, g DOUBLE,
  u BIGINT UNSIGNED, bt BIT(9), tm TIME(6), dt DATETIME(6), ts TIMESTAMP(6) NULL, y YEAR, e ENUM('a','it''s'), se SET('x','y'), p POINT SRID 4326, geo GEOMETRY,
  id2 UUID, inv INT INVISIBLE DEFAULT 7, gen INT AS (n + 1), sto INT AS (n + 2) STORED, UNIQUE KEY (t(10)), KEY (gen)) WITH (DELETED_RETENTION_HOURS=24);
CREATE USER TABLE child (note INT REFERENCES notes (id), x INT);
CREATE STREAM TABLE events (k INT, v VARCHAR(20), KEY (k)) WITH (MAX_BUFFER=100);
CREATE TABLE shared (id INT PRIMARY KEY, t TEXT);
INSERT INTO shared VALUES (1, 'for all');
CREATE DATABASE other;
CREATE USER TABLE other.notes (id INT PRIMARY KEY);
CREATE USER TABLE nobodys (id INT PRIMARY KEY)`)
	for i, u := range users {
		run(t, engine.WithUser(t.Context(), u), s, strings.ReplaceAll(`
INSERT INTO notes (n, t, b, j, d, f, g, u, bt, tm, dt, ts, y, e, se, p, geo, id2, inv) VALUES
  (@, 'secret-@ '' \\ \n\0 π 🎈', X'00FF27', '{"k": [1, 2.5, "x\\"y", null]}', 12345678901234567890123456789012345.123456789012345678901234567891, 1.17549e-38, 1.7976931348623157e308,
   18446744073709551615, b'101010101', '-838:59:58.999999', '9999-12-31 23:59:59.999999', '2038-01-19 03:14:07.999', 2155, 'it''s', 'x,y',
   ST_GeomFromText('POINT(1 2)', 4326), ST_GeomFromText('GEOMETRYCOLLECTION(POINT(1.5 -0.1), POLYGON((0 0,0 1,1 1,0 0)))'), 'f81d4fae-7dec-11d0-a765-00a0c91e6bf6', 8),
  (@, 'gone', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
DELETE FROM notes WHERE t = 'gone';
INSERT INTO notes (n) VALUES (@);
INSERT INTO child VALUES (1, @), (1, @), (NULL, NULL);
INSERT INTO events VALUES (2, 'first-@'); INSERT INTO events VALUES (1, 'second-@');
INSERT INTO other.notes VALUES (@)`, "@", fmt.Sprint(770000+i)))
	}
}

// TestDatabase loads the text of a database into another one.
func TestDatabase(t *testing.T) {
	t.Parallel()
	s := session(t, "")
	fill(t, s)
	text := whole(t, s, Options{})
	two := session(t, "")
	run(t, t.Context(), two, text)
	if d := cmp.Diff(text, whole(t, two, Options{})); d != "" {
		t.Error(d)
	}
	for _, u := range users {
		if d := cmp.Diff(of(t, s, u), of(t, two, u)); d != "" {
			t.Errorf("%.20q: %s", u, d)
		}
	}
	three := session(t, "")
	run(t, t.Context(), three, whole(t, s, Options{NoRows: true}))
	run(t, t.Context(), three, whole(t, s, Options{NoSchema: true}))
	if d := cmp.Diff(text, whole(t, three, Options{})); d != "" {
		t.Error(d)
	}
	if text := whole(t, s, Options{Namespaces: []string{"other"}}); strings.Contains(text, "secret") || !strings.Contains(text, "(770001)") {
		t.Error(text)
	}
	run(t, t.Context(), two, "CHECK TABLE notes EXTENDED")
}

// TestUser loads what a user has for another one, who has nothing.
func TestUser(t *testing.T) {
	t.Parallel()
	s := session(t, "")
	fill(t, s)
	for i, u := range users {
		text := of(t, s, u)
		if n := strings.Count(text, "secret-"); n != 1 || !strings.Contains(text, fmt.Sprintf("secret-%d ", 770000+i)) || strings.Contains(text, "gone") ||
			strings.Contains(text, "for all") || strings.Contains(text, "CREATE") || strings.Contains(text, "EXECUTE") {
			t.Fatalf("%.20q has\n%s", u, text)
		}
		for k := range users {
			if k != i && strings.Contains(text, fmt.Sprint(770000+k)) {
				t.Errorf("the text of user %d has rows of user %d", i, k)
			}
		}
		copied := fmt.Sprintf("copy %d", i)
		ctx := engine.WithUser(t.Context(), copied)
		run(t, ctx, s, text)
		if err := s.Reset(); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(text, of(t, s, copied)); d != "" {
			t.Error(d)
		}
		if _, err := s.Exec(ctx, text, nil); !errors.Is(err, sqlerr.DupEntry) {
			t.Errorf("loaded again: %v", err)
		}
		if err := s.Reset(); err != nil {
			t.Fatal(err)
		}
	}
	if text := of(t, s, "a", "other"); !strings.Contains(text, "(770002)") || strings.Contains(text, "secret") {
		t.Error(text)
	}
	if text := of(t, s, "nobody"); strings.Contains(text, "INSERT") {
		t.Error(text)
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	e, err := engine.Open(t.Context(), engine.Config{InMemory: true, Create: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	s := sessionOf(t, e, "")
	fill(t, s)
	alice := sessionOf(t, e, "alice")
	var b strings.Builder
	if err := Database(t.Context(), alice, &b, Options{}); !errors.Is(err, sqlerr.AccessDenied) {
		t.Errorf("alice dumps all: %v", err)
	}
	if err := errors.Join(alice.Reset(), User(t.Context(), alice, &b, "alice"), alice.Reset()); err != nil {
		t.Errorf("alice dumps hers: %v", err)
	}
	if err := User(t.Context(), alice, &b, "a"); !errors.Is(err, sqlerr.AccessDenied) {
		t.Errorf("alice dumps another's: %v", err)
	}
	if strings.Contains(b.String(), "secret") {
		t.Error(b.String())
	}
	if err := User(t.Context(), s, &b, "a", "nowhere"); !errors.Is(err, sqlerr.BadDatabase) {
		t.Errorf("of no namespace: %v", err)
	}
	s.Reset()
	full := errors.New("full")
	if err := Database(t.Context(), s, failing{full}, Options{}); !errors.Is(err, full) {
		t.Errorf("into a full file: %v", err)
	}
	s.Reset()
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if err := User(ctx, s, &b, "a"); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

// TestUsersAndTopics loads users, their passwords, grants and topics; programs that know
// nothing of them see comments.
func TestUsersAndTopics(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	from, err := engine.Open(ctx, engine.Config{InMemory: true, Create: true})
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	s := sessionOf(t, from, "system")
	run(t, ctx, s, `CREATE USER ann IDENTIFIED BY 'secret' EMAIL 'ann''s \\ mail', 'b*/ob' ROLE service, 'ev\'il';
INSERT INTO system.users (id, name, role) VALUES ('u-7', 'carl', 'dba');
CREATE DATABASE shop; CREATE TABLE shop.goods (id INT PRIMARY KEY, state VARCHAR(9)); CREATE TABLE plain (id INT PRIMARY KEY);
GRANT SELECT, INSERT ON shop.goods TO ann; GRANT UPDATE ON shop.* TO ROLE 'user'; GRANT DELETE ON *.* TO 'ev\'il';
CREATE TOPIC shop.news WITH (RETENTION_HOURS = 7); ALTER TOPIC shop.news ADD SOURCE shop.goods ON INSERT|DELETE WHERE state <> 'it''s' WITH (PAYLOAD = 'diff'); ALTER TOPIC shop.news ADD SOURCE plain`)
	text := whole(t, s, Options{})
	into, err := engine.Open(ctx, engine.Config{InMemory: true, Create: true})
	if err != nil {
		t.Fatal(err)
	}
	defer into.Close()
	two := sessionOf(t, into, "system")
	run(t, ctx, two, text)
	if d := cmp.Diff(text, whole(t, two, Options{})); d != "" {
		t.Error(d)
	}
	for _, want := range []string{"'ann' ROLE user", "GRANT SELECT, INSERT ON `shop`.`goods` TO `ann`@`%`", "CREATE TOPIC", "ADD SOURCE `default`.`plain`"} {
		if !strings.Contains(text, want) {
			t.Errorf("the text lacks %s:\n%s", want, text)
		}
	}
	for _, password := range []string{"secret", "wrong"} {
		one, err := into.NewSession(engine.SessionConfig{User: "ann", Password: password})
		if (err == nil) != (password == "secret") {
			t.Errorf("%s: %v", password, err)
		}
		if err == nil {
			one.Close()
		}
	}
	// What others read.
	comment := regexp.MustCompile(`(?s)/\*K!.*?\*/`)
	for _, line := range strings.Split(comment.ReplaceAllString(text, ""), "\n") {
		if strings.Contains(line, "USER") && !strings.Contains(line, "b*/ob") || strings.Contains(line, "TOPIC") || strings.Contains(line, "GRANT") {
			t.Errorf("not in a comment: %s", line)
		}
	}
	if text := whole(t, s, Options{Namespaces: []string{"default"}}); strings.Contains(text, "ann") || strings.Contains(text, "GRANT") {
		t.Error(text)
	}
	ann, err := from.NewSession(engine.SessionConfig{User: "ann", Password: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	if text := whole(t, ann, Options{NoRows: true}); strings.Contains(text, "IDENTIFIED") || strings.Contains(text, "GRANT") || strings.Contains(text, "TOPIC") {
		t.Error(text)
	}
}

// TestNamespacesAndLocations checks what tables lie in: it is made before they are.
func TestNamespacesAndLocations(t *testing.T) {
	t.Parallel()
	s, dir := session(t, ""), t.TempDir()
	run(t, t.Context(), s, `CREATE DATABASE shop COLLATE utf8mb4_general_ci; ALTER NAMESPACE shop SET (DESCRIPTION='what''s sold', OWNER='me');
		CREATE DATABASE plain COLLATE utf8mb4_general_ci;
		INSERT INTO system.storage_locations (id, uri, description) VALUES ('cold', '`+dir+`', 'it''s cold');
		CREATE TABLE shop.items (id INT PRIMARY KEY, name TEXT) WITH (STORAGE_ID='cold')`)
	text := whole(t, s, Options{})
	again := session(t, "")
	for range 2 { // what is there is no error
		run(t, t.Context(), again, text)
		if err := again.Reset(); err != nil {
			t.Fatal(err)
		}
	}
	if d := cmp.Diff(text, whole(t, again, Options{})); d != "" {
		t.Error(d)
	}
	for _, want := range []string{"CREATE DATABASE IF NOT EXISTS `plain` /*!40100 DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci */;",
		"UPDATE system.namespaces SET description = 'what\\'s sold'", "INSERT INTO system.storage_locations", "STORAGE_ID='cold'"} {
		if !strings.Contains(text, want) {
			t.Errorf("the dump lacks %s:\n%s", want, text)
		}
	}
	if strings.Contains(text, "WHERE name = 'plain'") {
		t.Error("it sets what is said already")
	}
}
