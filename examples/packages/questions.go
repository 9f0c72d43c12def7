package main

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
	"unicode/utf8"
)

// question is asked in SQL; its answer is printed as a table.
type question struct {
	title string
	query string
	args  []any
}

func questions(about string) []question {
	return []question{
		{title: "Which sections are the largest?", query: `
			SELECT section, COUNT(*) AS packages, SUM(installed) AS kib, MAX(installed) AS largest
			FROM packages
			GROUP BY section
			ORDER BY kib DESC, section
			LIMIT 10`},
		{title: "What is the heaviest package of each of these sections?", query: `
			SELECT p.section, p.name, p.installed AS kib, p.summary
			FROM packages p
			JOIN (SELECT section, MAX(installed) AS most, SUM(installed) AS total FROM packages GROUP BY section) s
			  ON s.section = p.section AND s.most = p.installed
			ORDER BY s.total DESC, p.name
			LIMIT 10`},
		{title: "What is depended on most?", query: `
			SELECT d.target, COUNT(DISTINCT d.package) AS dependants
			FROM dependencies d
			WHERE d.kind IN ('Depends', 'Pre-Depends')
			GROUP BY d.target
			ORDER BY dependants DESC, d.target
			LIMIT 10`},
		{title: "Who maintains most?", query: `
			SELECT m.name AS maintainer, COUNT(*) AS packages, COUNT(DISTINCT p.section) AS sections, SUM(p.installed) AS kib
			FROM packages p
			JOIN maintainers m ON m.id = p.maintainer
			GROUP BY m.id, m.name
			ORDER BY packages DESC, m.name
			LIMIT 10`},
		{title: "What needs " + about + ", or would like to have it?", query: `
			SELECT d.kind, COUNT(*) AS packages, MIN(p.name) AS first, MAX(p.name) AS last
			FROM dependencies d
			JOIN packages p ON p.id = d.package
			WHERE d.target = ?
			GROUP BY d.kind
			ORDER BY packages DESC, d.kind`, args: []any{about}},
		{title: "The heaviest of those that need it:", query: `
			SELECT p.name, p.section, p.installed AS kib, d.version AS wanted
			FROM dependencies d
			JOIN packages p ON p.id = d.package
			WHERE d.target = ? AND d.kind = 'Depends'
			ORDER BY p.installed DESC, p.name
			LIMIT 5`, args: []any{about}},
		{title: "Which sections' packages depend on most others?", query: `
			SELECT p.section, COUNT(*) AS packages, AVG(d.n) AS average, MAX(d.n) AS most
			FROM packages p
			JOIN (SELECT package, COUNT(DISTINCT target) AS n FROM dependencies WHERE kind = 'Depends' GROUP BY package) d
			  ON d.package = p.id
			GROUP BY p.section
			HAVING COUNT(*) >= 3
			ORDER BY average DESC, p.section
			LIMIT 10`},
		{title: "Which names are needed that no package bears?", query: `
			SELECT d.target, COUNT(*) AS times
			FROM dependencies d
			LEFT JOIN packages p ON p.name = d.target
			WHERE p.id IS NULL AND d.kind = 'Depends'
			GROUP BY d.target
			ORDER BY times DESC, d.target
			LIMIT 10`},
		{title: "How many libraries does nothing ask for?", query: `
			SELECT COUNT(*) AS libraries, SUM(p.installed) AS kib
			FROM packages p
			WHERE p.section = 'libs'
			  AND NOT EXISTS (SELECT 1 FROM dependencies d WHERE d.target = p.name)`},
		{title: "What is above and below the average size?", query: `
			SELECT 'above' AS size, COUNT(*) AS packages, SUM(installed) AS kib
			FROM packages WHERE installed > (SELECT AVG(installed) FROM packages)
			UNION ALL
			SELECT 'below', COUNT(*), SUM(installed)
			FROM packages WHERE installed <= (SELECT AVG(installed) FROM packages)`},
	}
}

// ask runs the query and prints its title, answer and time.
func (q question) ask(ctx context.Context, db *sql.DB, s *steps) error {
	s.begin(q.title)
	rows, err := db.QueryContext(ctx, q.query, q.args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	types, err := rows.ColumnTypes()
	if err != nil {
		return err
	}
	head := make([]string, len(types))
	numeric := make([]bool, len(types))
	values := make([]sql.Null[string], len(types))
	into := make([]any, len(types))
	for i, t := range types {
		head[i] = t.Name()
		switch t.DatabaseTypeName() {
		case "INT", "BIGINT", "DECIMAL":
			numeric[i] = true
		}
		into[i] = &values[i]
	}
	var table [][]string
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return err
		}
		row := make([]string, len(values))
		for i, v := range values {
			row[i] = show(v, numeric[i])
		}
		table = append(table, row)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	took := s.since(s.start)
	fmt.Fprintf(s.out, "\n%s\n", q.title)
	printTable(s.out, head, table, numeric)
	fmt.Fprintf(s.out, "  (%s)\n", duration(took))
	return nil
}

// show shortens long texts and groups the digits of integers.
func show(v sql.Null[string], numeric bool) string {
	if !v.Valid {
		return "-"
	}
	if n, err := strconv.ParseInt(v.V, 10, 64); err == nil && numeric {
		return grouped(n)
	}
	const most = 50
	if utf8.RuneCountInString(v.V) > most {
		return string([]rune(v.V)[:most-1]) + "…"
	}
	return v.V
}
