package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// kalam runs a command and returns what it prints, and its exit status.
func kalam(t *testing.T, in string, args ...string) (out, errs string, status int) {
	t.Helper()
	var o, e bytes.Buffer
	p := program{in: strings.NewReader(in), out: &o, err: &e}
	status = p.run(t.Context(), args)
	return o.String(), e.String(), status
}

func must(t *testing.T, in string, args ...string) string {
	t.Helper()
	out, errs, status := kalam(t, in, args...)
	if status != 0 {
		t.Fatalf("kalam %s: status %d: %s", strings.Join(args, " "), status, errs)
	}
	return out
}

// everything has a table with a column of each type at its limits, keys of all
// kinds, and names and values that want quoting.
const everything = `
CREATE TABLE types (
  id BIGINT UNSIGNED AUTO_INCREMENT PRIMARY KEY,
  b BOOL, ti TINYINT, si SMALLINT UNSIGNED, mi MEDIUMINT, i INT, bi BIGINT, bu BIGINT UNSIGNED,
  d DECIMAL(65,30), ds DECIMAL(10,2), f FLOAT, g DOUBLE, bt BIT(64),
  c CHAR(5), vc VARCHAR(200), tx TEXT, bn BINARY(4), vb VARBINARY(20), bl LONGBLOB,
  da DATE, tm TIME(6), dt DATETIME(6), ts TIMESTAMP(3) NULL, y YEAR,
  js JSON, en ENUM('a','it''s','\\'), st SET('x','y','z'),
  ci VARCHAR(20) COLLATE utf8mb4_general_ci NOT NULL DEFAULT 'it''s' COMMENT 'a "comment"',
  ex VARCHAR(40) DEFAULT (CONCAT('a', 'b')), cu DATETIME DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP,
  UNIQUE KEY u (vc, i), KEY k (d, ci), KEY ` + "`odd ``name`" + ` (y)
) COMMENT 'all of them';
INSERT INTO types (b, ti, si, mi, i, bi, bu, d, ds, f, g, bt, c, vc, tx, bn, vb, bl, da, tm, dt, ts, y, js, en, st, ci, cu) VALUES
  (TRUE, -128, 65535, -8388608, -2147483648, -9223372036854775808, 18446744073709551615,
   12345678901234567890123456789012345.123456789012345678901234567891, -99999999.99, 1.17549e-38, 1.7976931348623157e308,
   b'1111111111111111111111111111111111111111111111111111111111111111',
   'abc', 'quote '' double " back \\ nul \0 tab \t line\nend\r\Z', 'π 漢 🎈', X'00FF', X'', X'0001FEFF',
   '1000-01-01', '-838:59:58.999999', '9999-12-31 23:59:59.999999', '2038-01-19 03:14:07.999', 2155,
   '{"a": [1, 2.5, "x\\"y", null], "é": true}', '\\', 'x,z', 'Ä', '2024-02-29 12:00:00'),
  (FALSE, 127, 0, 8388607, 2147483647, 9223372036854775807, 0, -0.000000000000000000000000000001, 0, -0.1, -5e-324, b'0',
   '', '', '', X'01020304', X'27', X'', '9999-12-31', '838:59:59', '1000-01-01 00:00:00', '1970-01-01 00:00:01', 1901,
   '[]', 'it''s', '', '', '2000-01-01');
INSERT INTO types (cu) VALUES ('2001-01-01');
UPDATE types SET id = 0, cu = '1999-12-31' WHERE id = 3;
CREATE TABLE no_key (a INT, b VARCHAR(10));
INSERT INTO no_key VALUES (1, 'x'), (1, 'x'), (NULL, NULL);
CREATE TABLE nobody (a INT PRIMARY KEY);
CREATE VIEW b_view AS SELECT a, b FROM no_key WHERE a IS NOT NULL WITH CHECK OPTION;
CREATE VIEW a_view (n, x) AS SELECT COUNT(*), b FROM b_view GROUP BY b;
CREATE DATABASE ` + "`second db`" + `;
CREATE TABLE ` + "`second db`.`odd.table`" + ` (` + "`select` INT, `a b`" + ` INT, PRIMARY KEY (` + "`select`, `a b`" + `));
INSERT INTO ` + "`second db`.`odd.table`" + ` VALUES (1, 2), (2, 1);
CREATE TRIGGER first AFTER INSERT ON nobody FOR EACH ROW INSERT INTO no_key VALUES (NEW.a, 'first');
CREATE TRIGGER before_it BEFORE INSERT ON nobody FOR EACH ROW SET NEW.a = NEW.a + 1;
DELIMITER //
CREATE TRIGGER ` + "`odd trigger`" + ` AFTER INSERT ON nobody FOR EACH ROW PRECEDES first BEGIN
  DECLARE x INT DEFAULT 1; -- it's
  INSERT INTO no_key VALUES (x, 'a;;b');
END//
`

func TestDumpLoad(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	one, two := filepath.Join(dir, "one"), filepath.Join(dir, "two")
	must(t, everything, one)
	dump := must(t, "", "dump", one)
	file := filepath.Join(dir, "dump.sql")
	if err := os.WriteFile(file, []byte(dump), 0o600); err != nil {
		t.Fatal(err)
	}
	must(t, "", "load", two, file)
	if diff := cmp.Diff(dump, must(t, "", "dump", two)); diff != "" {
		t.Error(diff)
	}
	if strings.Count(dump, "INSERT INTO `") != 3 || !strings.Contains(dump, "X'0001FEFF'") {
		t.Error(dump)
	}
	if out := must(t, "", "check", "-extended", two); out != "4 tables are whole, 0 problems\n" {
		t.Error(out)
	}
	// In two halves, and one namespace.
	three := filepath.Join(dir, "three")
	must(t, must(t, "", "dump", "-schema-only", one), "load", "-fast", three)
	must(t, must(t, "", "dump", "-data-only", one), "load", "-quiet", three)
	if diff := cmp.Diff(dump, must(t, "", "dump", three)); diff != "" {
		t.Error(diff)
	}
	if out := must(t, "", "dump", one, "second db"); strings.Contains(out, "types") || !strings.Contains(out, "`odd.table`") {
		t.Error(out)
	}
}

// TestUserDump gives a copy of one user's rows to another.
func TestUserDump(t *testing.T) {
	t.Parallel()
	db := filepath.Join(t.TempDir(), "db")
	must(t, "CREATE USER TABLE notes (id INT PRIMARY KEY AUTO_INCREMENT, t TEXT); CREATE TABLE shared (a INT); INSERT INTO shared VALUES (1);"+
		"INSERT INTO notes (t) VALUES ('owner''s'); EXECUTE AS USER 'alice' (INSERT INTO notes (t) VALUES ('hers'))", db)
	alice := must(t, "", "dump", "-user", "alice", db)
	if !strings.Contains(alice, "(1,'hers')") || strings.Contains(alice, "owner") || strings.Contains(alice, "shared") {
		t.Error(alice)
	}
	must(t, alice, "load", "-quiet", "-user", "", db)
	if diff := cmp.Diff(alice, must(t, "", "dump", "-user", "", db, "default")); diff != "" {
		t.Error(diff)
	}
	all := must(t, "", "dump", "-data-only", db)
	for _, want := range []string{"EXECUTE AS USER '' (INSERT", "EXECUTE AS USER 'alice' (INSERT", "EXECUTE AS USER 'system' (INSERT", "INSERT INTO `shared`"} {
		if !strings.Contains(all, want) {
			t.Errorf("no %s in %s", want, all)
		}
	}
}

// TestMariaDB loads a dump into MariaDB and compares what it has.
func TestMariaDB(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"mariadbd", "mariadb-install-db", "mariadb"} {
		if _, err := exec.LookPath(name); err != nil {
			t.Skip("MariaDB is not installed")
		}
	}
	dir := t.TempDir()
	data, socket := filepath.Join(dir, "data"), filepath.Join(dir, "s")
	if out, err := exec.Command("mariadb-install-db", "--no-defaults", "--datadir="+data, "--auth-root-authentication-method=normal", "--skip-test-db").CombinedOutput(); err != nil {
		t.Skipf("mariadb-install-db: %v\n%s", err, out)
	}
	args := []string{"--no-defaults", "--datadir=" + data, "--skip-networking", "--socket=" + socket, "--pid-file=" + filepath.Join(dir, "pid"), "--innodb-buffer-pool-size=16M"}
	if os.Getuid() == 0 {
		args = append(args, "--user=root")
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	server := exec.CommandContext(ctx, "mariadbd", args...)
	if err := server.Start(); err != nil {
		t.Skip(err)
	}
	defer server.Wait()
	defer stop()
	client := func(sql string) (string, error) {
		c := exec.Command("mariadb", "--no-defaults", "--socket="+socket, "--user=root", "--default-character-set=utf8mb4", "--batch", "--skip-column-names", "--raw")
		c.Stdin = strings.NewReader(sql)
		out, err := c.CombinedOutput()
		return string(out), err
	}
	for i := 0; ; i++ {
		if _, err := client("SELECT 1"); err == nil {
			break
		}
		if i == 300 {
			t.Fatal("MariaDB does not answer")
		}
		time.Sleep(50 * time.Millisecond)
	}
	one := filepath.Join(dir, "one")
	must(t, everything, one)
	dump := must(t, "", "dump", one)
	if out, err := client(dump); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	const compare = "SELECT HEX(CONCAT_WS('|', id, b, ti, si, mi, i, bi, bu, d, ds, bt + 0, c, vc, tx, HEX(bn), HEX(vb), HEX(bl), da, tm, dt, ts, y, en, st, ci, ex, cu, g > 1.7e308)) AS x " +
		"FROM `default`.types ORDER BY id; SELECT COUNT(*), SUM(`select` * `a b`) FROM `second db`.`odd.table`"
	theirs, err := client("SET time_zone = '+00:00'; " + compare)
	if err != nil {
		t.Fatal(theirs)
	}
	lines := strings.Split(must(t, "", one, compare), "\n")
	ours := append(lines[2:5], strings.ReplaceAll(lines[7], " ", ""))
	if diff := cmp.Diff(strings.ReplaceAll(theirs, "\t", ""), strings.Join(ours, "\n")+"\n"); diff != "" {
		t.Error(diff)
	}
}

func TestSplitter(t *testing.T) {
	t.Parallel()
	type statement struct {
		Text string
		Line int
	}
	s := newSplitter(strings.NewReader(`-- a comment; no statement
SELECT 1; SELECT ';', ";", ` + "`;`" + `, 'it''s;', 'a\';b' -- ;
  # ;
  , 2 /* ; */;

;;
DELIMITER //
CREATE TRIGGER t BEFORE INSERT ON a FOR EACH ROW BEGIN
  SET NEW.a = 1; -- it's
END//
delimiter ;
SELECT 5-1;SELECT
3`))
	var got []statement
	for {
		text, line, err := s.next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, statement{text, line})
	}
	want := []statement{
		{"SELECT 1", 2},
		{"SELECT ';', \";\", `;`, 'it''s;', 'a\\';b' -- ;\n  # ;\n  , 2 /* ; */", 2},
		{"CREATE TRIGGER t BEFORE INSERT ON a FOR EACH ROW BEGIN\n  SET NEW.a = 1; -- it's\nEND", 8},
		{"SELECT 5-1", 12},
		{"SELECT\n3", 12},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db := filepath.Join(dir, "db")
	must(t, "", db, "CREATE TABLE t (a INT PRIMARY KEY)")
	for _, c := range []struct {
		in     string
		args   []string
		status int
		errs   string
	}{
		{"", nil, 2, "usage"},
		{"", []string{"dump"}, 2, "usage"},
		{"", []string{"dump", filepath.Join(dir, "no")}, 1, "does not exist"},
		{"", []string{"backup", db}, 2, "usage"},
		{"", []string{"dump", "-user", "a", "-schema-only", db}, 2, "-user prints rows alone"},
		{"", []string{"check", "-nonsense", db}, 2, "nonsense"},
		{"INSERT INTO t VALUES (1);\nINSERT INTO t\nVALUES (1);\nINSERT INTO t VALUES (2);", []string{"load", db}, 1, "line 2: Error 1062"},
		{"", []string{db, "SELECT nothing"}, 1, "Error 1054"},
		{"", []string{"-readonly", db, "DELETE FROM t"}, 1, "READ ONLY"},
		{"", []string{"restore", dir, filepath.Join(dir, "x")}, 1, "no backup"},
	} {
		_, errs, status := kalam(t, c.in, c.args...)
		if status != c.status || !strings.Contains(errs, c.errs) {
			t.Errorf("%q: status %d, %s", c.args, status, errs)
		}
	}
	if out := must(t, "SELECT COUNT(*) AS n FROM t;\nSELECT 'ä' AS a, NULL AS b", db); out != "n\n-\n1\na  b\n-  ----\nä  NULL\n" {
		t.Errorf("%q", out)
	}
}

func TestBackupCommands(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db, to := filepath.Join(dir, "db"), filepath.Join(dir, "b")
	must(t, "", db, "CREATE TABLE t (a INT PRIMARY KEY); INSERT INTO t VALUES (1)")
	if out := must(t, "", "backup", db, to); !strings.HasPrefix(out, "backup 1: ") {
		t.Error(out)
	}
	if out := must(t, "", "verify", to); !strings.Contains(out, ": whole") {
		t.Error(out)
	}
	must(t, "", db, "DELETE FROM t")
	must(t, "", "restore", to, filepath.Join(dir, "new"))
	must(t, "", "restore", "-replace", to, db)
	for _, path := range []string{db, filepath.Join(dir, "new")} {
		if out := must(t, "", path, "SELECT * FROM t"); out != "a\n-\n1\n" {
			t.Errorf("%q", out)
		}
	}
}

// TestPassword signs in once the owner has a password.
func TestPassword(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db, out := filepath.Join(dir, "db"), filepath.Join(dir, "out")
	must(t, "", db, `CREATE TABLE t (a INT PRIMARY KEY); INSERT INTO t VALUES (1); CREATE USER TABLE own (a INT PRIMARY KEY);
		EXECUTE AS USER 'u-9' (INSERT INTO own VALUES (2), (3)); CREATE NAMESPACE other; CREATE USER TABLE other.own (a INT);
		INSERT INTO system.users (id, name, role, password) VALUES ('u-9', 'zed', 'dba', 'of zed');
		ALTER USER 'system' IDENTIFIED BY 'of system'`)
	file := filepath.Join(dir, "password")
	if err := os.WriteFile(file, []byte("of system\nand more\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{db, "SELECT 1"}, {"dump", db}, {"load", db}, {"check", db}, {"backup", db, filepath.Join(dir, "b")}, {"-as", "zed", "-password-file", file, db, "SELECT 1"}} {
		if _, errs, status := kalam(t, "", args...); status != 1 || !strings.Contains(errs, "Error 1045") {
			t.Errorf("%q: status %d, %s", args, status, errs)
		}
	}
	if got := must(t, "", "-password-file", file, db, "SELECT CURRENT_USER() AS u"); got != "u\n------\nsystem\n" {
		t.Errorf("%q", got)
	}
	if _, errs, status := kalam(t, "", "-as", "", "-password-file", file, db, "SELECT 1"); status != 2 || !strings.Contains(errs, "-as system") {
		t.Errorf("status %d, %s", status, errs)
	}
	var o, e bytes.Buffer
	p := program{in: strings.NewReader(""), out: &o, err: &e, password: "of zed"}
	if status := p.run(t.Context(), []string{"-as", "zed", db, "SELECT a FROM own"}); status != 0 || o.String() != "a\n-\n2\n3\n" {
		t.Errorf("status %d, %q, %s", status, o.String(), e.String())
	}
	must(t, "", "load", "-quiet", "-password-file", file, db)
	must(t, "", "check", "-password-file", file, db)
	must(t, "", "backup", "-password-file", file, db, filepath.Join(dir, "b"))
	// What one user has is told by id.
	if got := must(t, "", "dump", "-password-file", file, "-user", "u-9", db); !strings.Contains(got, "(2),\n(3)") || strings.Contains(got, "other") {
		t.Error(got)
	}
	if got, errs, status := kalam(t, "", "dump", "-password-file", file, "-user", "zed", db); status != 1 || got != "" || !strings.Contains(errs, "'u-9'") {
		t.Errorf("status %d, %s, %s", status, got, errs)
	}
	// Salvage is of files: it needs no password, and counts all users' rows.
	if got := must(t, "", "salvage", db, out); got != "3 tables with 3 rows are saved; 0 reports of damage\n" {
		t.Error(got)
	}
	if got := must(t, "", "-password-file", file, out, "EXECUTE AS USER 'u-9' (SELECT COUNT(*) AS n FROM own)"); got != "n\n-\n2\n" {
		t.Errorf("%q", got)
	}
}

// TestSubscribe prints the rows of a live query as they come.
func TestSubscribe(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "db")
	must(t, "", path, "CREATE TABLE m (id INT PRIMARY KEY, body TEXT); INSERT INTO m VALUES (1, 'a'), (2, 'b')")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r, w := io.Pipe()
	p := program{in: strings.NewReader(""), out: w, err: io.Discard}
	done := make(chan int, 1)
	go func() {
		done <- p.run(ctx, []string{path, "SUBSCRIBE TO SELECT id, body FROM m"})
		w.Close()
	}()
	lines := bufio.NewScanner(r)
	var got []string
	for len(got) < 4 && lines.Scan() {
		got = append(got, strings.Join(strings.Fields(lines.Text()), " "))
	}
	cancel()
	go io.Copy(io.Discard, r)
	if <-done == 0 {
		t.Error("it ended by itself")
	}
	if len(got) != 4 || got[0] != "_change _seq id body" || !strings.HasPrefix(got[2], "initial ") || !strings.HasSuffix(got[2], " 1 a") || !strings.HasSuffix(got[3], " 2 b") {
		t.Errorf("%q", got)
	}
}
