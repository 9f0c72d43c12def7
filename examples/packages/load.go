package main

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
)

const schema = `
	CREATE TABLE maintainers (
		id      INT PRIMARY KEY,
		name    VARCHAR(200) NOT NULL,
		address VARCHAR(200) NOT NULL
	);
	CREATE TABLE packages (
		id         INT PRIMARY KEY,
		name       VARCHAR(100) NOT NULL UNIQUE,
		version    VARCHAR(100) NOT NULL,
		arch       VARCHAR(20) NOT NULL,
		section    VARCHAR(40) NOT NULL,
		priority   VARCHAR(20) NOT NULL,
		summary    VARCHAR(500) NOT NULL,
		maintainer INT NOT NULL,
		installed  BIGINT NOT NULL COMMENT 'KiB on disk',
		download   BIGINT NOT NULL COMMENT 'bytes'
	);
	CREATE TABLE dependencies (
		package     INT NOT NULL,
		relation    INT NOT NULL,
		alternative INT NOT NULL,
		kind        VARCHAR(12) NOT NULL,
		target      VARCHAR(100) NOT NULL,
		version     VARCHAR(100),
		PRIMARY KEY (package, relation, alternative)
	)`

// indexes are built when the rows are there.
var indexes = []struct{ on, statement string }{
	{"packages", "CREATE INDEX by_section ON packages (section)"},
	{"packages", "CREATE INDEX by_maintainer ON packages (maintainer)"},
	{"dependencies", "CREATE INDEX by_target ON dependencies (target)"},
}

// load makes the tables and fills them.
func load(ctx context.Context, db *sql.DB, packages []debPackage, s *steps) error {
	if _, err := db.ExecContext(ctx, schema); err != nil {
		return err
	}
	maintainers := map[string]int{}
	var people [][]any
	rows := make([][]any, len(packages))
	var dependencies [][]any
	for i, p := range packages {
		id, ok := maintainers[p.maintainer]
		if !ok {
			id = len(maintainers) + 1
			maintainers[p.maintainer] = id
			name, address, _ := strings.Cut(p.maintainer, "<")
			people = append(people, []any{id, strings.TrimSpace(name), strings.TrimSuffix(address, ">")})
		}
		rows[i] = []any{i + 1, p.name, p.version, p.arch, p.section, p.priority, p.summary, id, p.installed, p.download}
		for _, d := range p.dependencies {
			version := sql.Null[string]{V: d.version, Valid: d.version != ""}
			dependencies = append(dependencies, []any{i + 1, d.group, d.alternative, d.kind, d.target, version})
		}
	}
	for _, table := range []struct {
		name string
		rows [][]any
	}{{"maintainers", people}, {"packages", rows}, {"dependencies", dependencies}} {
		s.begin("load " + table.name)
		if err := insert(ctx, db, table.name, table.rows, s.progress); err != nil {
			return fmt.Errorf("loading %s: %w", table.name, err)
		}
		s.done(table.name+" loaded", len(table.rows))
	}
	counts := map[string]int{"packages": len(rows), "dependencies": len(dependencies)}
	for _, index := range indexes {
		s.begin(index.statement)
		if _, err := db.ExecContext(ctx, index.statement); err != nil {
			return err
		}
		s.done("rows indexed: "+index.statement, counts[index.on])
	}
	return nil
}

const (
	rowsInStatement = 200
	rowsInCommit    = 10000
)

// insert adds rows to a table, many in a statement and many statements in a
// transaction.
func insert(ctx context.Context, db *sql.DB, table string, rows [][]any, progress func(n, total int)) error {
	for from := 0; from < len(rows); from += rowsInCommit {
		part := rows[from:min(from+rowsInCommit, len(rows))]
		tx, err := db.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		err = insertPart(ctx, tx, table, part, func(n int) { progress(from+n, len(rows)) })
		if err != nil {
			tx.Rollback() // the first error tells more
			return err
		}
		if err := tx.Commit(); err != nil {
			return err
		}
	}
	return nil
}

func insertPart(ctx context.Context, tx *sql.Tx, table string, rows [][]any, progress func(n int)) error {
	width := len(rows[0])
	text := func(n int) string {
		row := "(?" + strings.Repeat(", ?", width-1) + ")"
		return "INSERT INTO " + table + " VALUES " + row + strings.Repeat(", "+row, n-1)
	}
	full, err := tx.PrepareContext(ctx, text(rowsInStatement))
	if err != nil {
		return err
	}
	defer full.Close()
	args := make([]any, 0, rowsInStatement*width)
	for from := 0; from < len(rows); from += rowsInStatement {
		part := rows[from:min(from+rowsInStatement, len(rows))]
		args = args[:0]
		for _, row := range part {
			args = append(args, row...)
		}
		if len(part) == rowsInStatement {
			_, err = full.ExecContext(ctx, args...)
		} else {
			_, err = tx.ExecContext(ctx, text(len(part)), args...)
		}
		if err != nil {
			return err
		}
		progress(from + len(part))
	}
	return nil
}

// lookUp finds n packages by name, one query each, all over the table.
func lookUp(ctx context.Context, db *sql.DB, packages []debPackage, n int, s *steps) error {
	if len(packages) == 0 {
		return nil
	}
	stmt, err := db.PrepareContext(ctx, "SELECT id, version FROM packages WHERE name = ?")
	if err != nil {
		return err
	}
	defer stmt.Close()
	s.begin("look up")
	for i := range n {
		// A prime step visits every package before it comes back to one.
		at := i * 7919 % len(packages)
		var id int
		var version string
		if err := stmt.QueryRowContext(ctx, packages[at].name).Scan(&id, &version); err != nil {
			return err
		}
		if id != at+1 || version != packages[at].version {
			return fmt.Errorf("%s has id %d and version %s, want %d and %s", packages[at].name, id, version, at+1, packages[at].version)
		}
		s.progress(i+1, n)
	}
	s.done("packages looked up by name, a query each", n)
	return nil
}
