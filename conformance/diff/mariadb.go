package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// mariadb is a MariaDB server of our own on a socket in a temporary directory,
// and its command-line client, which reads statements from a pipe.
type mariadb struct {
	dir            string
	server, client *exec.Cmd
	in             io.WriteCloser
	out            *bufio.Reader
}

var errNoMariaDB = errors.New("mariadbd is not installed")

// startMariaDB starts a server; errNoMariaDB when there is none to start.
// limit is for a statement.
func startMariaDB(ctx context.Context, limit time.Duration) (_ *mariadb, err error) {
	daemon, err := exec.LookPath("mariadbd")
	if err != nil {
		daemon = "/usr/sbin/mariadbd"
		if _, err := os.Stat(daemon); err != nil {
			return nil, errNoMariaDB
		}
	}
	m := &mariadb{}
	if m.dir, err = os.MkdirTemp("", "kalam-diff"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			m.close()
		}
	}()
	data, socket := filepath.Join(m.dir, "data"), filepath.Join(m.dir, "socket")
	install := exec.CommandContext(ctx, "mariadb-install-db", "--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db", "--datadir="+data)
	if text, err := install.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("mariadb-install-db: %w\n%s", err, text)
	}
	m.server = exec.CommandContext(ctx, daemon, "--no-defaults", "--datadir="+data, "--socket="+socket, "--skip-networking",
		"--pid-file="+filepath.Join(m.dir, "pid"), "--user=root", "--innodb-flush-log-at-trx-commit=0",
		"--character-set-server=utf8mb4", "--collation-server=utf8mb4_nopad_bin")
	if err := m.server.Start(); err != nil {
		return nil, err
	}
	for begin := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		if _, err := os.Stat(socket); err == nil {
			break
		}
		if time.Since(begin) > time.Minute {
			return nil, errors.New("mariadbd does not come up")
		}
	}
	m.client = exec.CommandContext(ctx, "mariadb", "--no-defaults", "--socket="+socket, "--user=root", "--batch", "--skip-column-names",
		"--force", "--unbuffered", "--no-auto-rehash", "--default-character-set=utf8mb4")
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	m.client.Stdout, m.client.Stderr = w, w // errors come in their place
	if m.in, err = m.client.StdinPipe(); err != nil {
		return nil, err
	}
	if err := m.client.Start(); err != nil {
		return nil, err
	}
	w.Close()
	m.out = bufio.NewReaderSize(r, 1<<20)
	for _, s := range []string{
		"SET NAMES utf8mb4 COLLATE utf8mb4_nopad_bin, sql_mode = 'STRICT_TRANS_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ZERO_DATE,NO_ZERO_IN_DATE'",
		fmt.Sprintf("SET max_statement_time = %f, group_concat_max_len = 1024, @switches = @@optimizer_switch", limit.Seconds()),
	} {
		if a := m.ask(ctx, s); a.err != nil {
			return m, a.err
		}
	}
	return m, nil
}

// plainly answers from copies of the tables without keys, without most of what
// MariaDB's optimizer knows, which is where its own wrong answers come from.
func (m *mariadb) plainly(ctx context.Context, tables []*table, statement string) answer {
	before := []string{"CREATE DATABASE IF NOT EXISTS b", "SET optimizer_switch = '" + plainSwitches + "'"}
	for _, t := range tables {
		before = append(before, fmt.Sprintf("CREATE OR REPLACE TABLE b.%s SELECT * FROM a.%[1]s", t.name))
	}
	for _, s := range append(before, "USE b") {
		if a := m.ask(ctx, s); a.err != nil {
			return a
		}
	}
	a := m.ask(ctx, statement)
	for _, s := range []string{"SET optimizer_switch = @switches", "USE a"} {
		if b := m.ask(ctx, s); b.err != nil {
			return b
		}
	}
	return a
}

// plainSwitches turns off all that may be; in_to_exists has to stay where
// materialization goes.
const plainSwitches = "index_merge=off,derived_merge=off,derived_with_keys=off,firstmatch=off,loosescan=off,materialization=off," +
	"semijoin=off,partial_match_rowid_merge=off,partial_match_table_scan=off,subquery_cache=off,outer_join_with_cache=off," +
	"semijoin_with_cache=off,join_cache_incremental=off,join_cache_hashed=off,join_cache_bka=off,optimize_join_buffer_size=off," +
	"table_elimination=off,exists_to_in=off,orderby_uses_equalities=off,condition_pushdown_for_derived=off,split_materialized=off," +
	"condition_pushdown_for_subquery=off,rowid_filter=off,condition_pushdown_from_having=off,not_null_range_scan=off"

// close ends the server and removes its files.
func (m *mariadb) close() error {
	if m.in != nil {
		m.in.Close()
		m.client.Wait()
	}
	if m.server != nil && m.server.Process != nil {
		m.server.Process.Kill()
		m.server.Wait()
	}
	return os.RemoveAll(m.dir)
}

const endMark = "-- end --"

var unescape = strings.NewReplacer(`\t`, "\t", `\n`, "\n", `\\`, `\`, `\0`, "\x00")

// ask implements peer.
func (m *mariadb) ask(_ context.Context, statement string) (a answer) {
	if _, err := fmt.Fprintf(m.in, "%s;\nSELECT '%s';\n", strings.ReplaceAll(statement, "\n", " "), endMark); err != nil {
		return answer{err: err}
	}
	for {
		line, err := m.out.ReadString('\n')
		if err != nil {
			return answer{err: fmt.Errorf("the MariaDB client ended: %w", err)}
		}
		line = strings.TrimSuffix(line, "\n")
		switch {
		case line == endMark:
			return a
		case strings.HasPrefix(line, "ERROR "):
			a.err = errors.New(line)
			if strings.Contains(line, "max_statement_time exceeded") {
				a.err = errTooLong
			}
		default:
			row := strings.Split(line, "\t")
			for i := range row {
				row[i] = unescape.Replace(row[i])
			}
			a.rows = append(a.rows, row)
		}
	}
}
