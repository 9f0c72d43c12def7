package main

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"

	_ "github.com/kalamgo/kalam/driver"
)

// runner compares answers.
type runner struct {
	out, progress io.Writer
	queries       int
	seed          uint64
	failures      int           // to show before giving up
	limit         time.Duration // for a statement; 0: none
	mariadb       *mariadb

	passed, failed, refused, tooLong int
	contradictions                   int // of MariaDB to itself
	indexed, plain, packed           kalam
	tables                           []*table
	// spilling is another connection to the tables without indexes, on which all that can
	// go to temporary files does. plain plans as if the tables were large.
	spilling kalam
}

// queriesEach is how many queries a database gets.
const queriesEach = 60

// run runs the queries.
func (r *runner) run(ctx context.Context) error {
	db, err := sql.Open("kalam", ":memory:")
	if err != nil {
		return err
	}
	defer db.Close()
	for _, k := range []*kalam{&r.indexed, &r.plain, &r.packed, &r.spilling} {
		k.limit = r.limit
		if k.conn, err = db.Conn(ctx); err != nil {
			return err
		}
		defer k.conn.Close()
	}
	fmt.Fprintf(r.out, "seed %d\n", r.seed)
	for n := uint64(0); r.done() < r.queries && r.failed < r.failures; n++ {
		if err := r.runDatabase(ctx, r.seed+n); err != nil {
			return err
		}
		if r.progress != nil {
			fmt.Fprintf(r.progress, "\r%d of %d queries, %d failed", r.done(), r.queries, r.failed)
		}
	}
	if r.progress != nil {
		fmt.Fprintln(r.progress)
	}
	for _, x := range []struct {
		n    int
		what string
	}{
		{r.refused, "were refused as not supported"},
		{r.tooLong, "took too long"},
		{r.contradictions, "were answered by MariaDB in another way until its optimizer was told to do less"},
	} {
		if x.n > 0 {
			fmt.Fprintln(r.out, x.n, x.what)
		}
	}
	fmt.Fprintf(r.out, "%d passed, %d failed\n", r.passed, r.failed)
	return nil
}

func (r *runner) done() int { return r.passed + r.failed + r.refused + r.tooLong }

// runDatabase makes a database and runs its share of the queries.
func (r *runner) runDatabase(ctx context.Context, seed uint64) error {
	tables := newDatabase(newChoices(seed))
	r.tables = tables
	script, err := r.create(ctx, tables)
	if err != nil {
		return err
	}
	statements := newChoices(seed ^ 0x9e3779b97f4a7c15)
	for i := range queriesEach {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if i%10 == 9 {
			c := &generator{choices: statements, tables: tables}
			change := c.change()
			if r.mariadb != nil && differsInMariaDB(change) {
				continue
			}
			script = append(script, change+";")
			// The peers' tables differ after a difference.
			switch d := r.compareChange(ctx, change, tables); d.way {
			case "":
				r.passed++
				if i%20 == 19 { // else there are pairs over segments
					if err := r.pack(ctx, tables); err != nil {
						return err
					}
				}
			case refusal:
				r.refused++
				return nil
			case tooLong:
				r.tooLong++
				return nil
			default:
				r.fail(script, tables, change, d)
				return nil
			}
			continue
		}
		statements.notes = nil
		q := (&generator{choices: statements, tables: tables}).query()
		found := r.compare(ctx, q)
		switch found.way {
		case "":
			r.passed++
		case refusal:
			r.refused++
		case tooLong:
			r.tooLong++
		default:
			again := func(notes []int) (query, difference) {
				q := (&generator{choices: &choices{notes: notes}, tables: tables}).query()
				return q, r.compare(ctx, q)
			}
			begin := time.Now()
			notes := reduce(statements.notes, 600, func(notes []int) bool {
				if r.limit > 0 && time.Since(begin) > 10*r.limit {
					return false
				}
				_, d := again(notes)
				return d.way == found.way
			})
			small, d := again(notes)
			r.fail(script, tables, small.sql, d)
			if r.failed >= r.failures {
				return nil
			}
		}
	}
	return nil
}

// create makes the tables everywhere and returns what makes them.
func (r *runner) create(ctx context.Context, tables []*table) ([]string, error) {
	var script []string
	setup := func(p peer, database string, indexed bool) error {
		list := []string{"DROP DATABASE IF EXISTS " + database, "CREATE DATABASE " + database, "USE " + database}
		for _, t := range tables {
			list = append(list, t.create(indexed))
			if t.insert != "" {
				list = append(list, t.insert)
			}
		}
		for _, s := range list {
			if a := p.ask(ctx, s); a.err != nil {
				return fmt.Errorf("%w\n%s", a.err, s)
			}
			if indexed {
				script = append(script, s+";")
			}
		}
		return nil
	}
	if r.mariadb != nil {
		if err := setup(r.mariadb, "a", true); err != nil {
			return nil, err
		}
	}
	if err := setup(r.plain, "b", false); err != nil {
		return nil, err
	}
	if err := setup(r.packed, "c", true); err != nil {
		return nil, err
	}
	if err := r.pack(ctx, tables); err != nil {
		return nil, err
	}
	script = nil
	if err := setup(r.indexed, "a", true); err != nil {
		return nil, err
	}
	for _, x := range []struct {
		kalam
		statement string
	}{
		{r.spilling, "USE b"},
		{r.spilling, "SET mem_limit = 1"},
		{r.plain, "SET assumed_rows = 1000000"},
	} {
		if a := x.ask(ctx, x.statement); a.err != nil {
			return nil, a.err
		}
	}
	return script, nil
}

// pack packs the tables that are packed.
func (r *runner) pack(ctx context.Context, tables []*table) error {
	for _, t := range tables {
		if a := r.packed.ask(ctx, "PACK TABLE "+t.name); a.err != nil {
			return a.err
		}
	}
	return nil
}

// fail shows a statement that got different answers, and what makes the tables
// that it names.
func (r *runner) fail(script []string, tables []*table, statement string, d difference) {
	r.failed++
	fmt.Fprintln(r.out)
	for _, line := range script {
		for _, t := range tables {
			if named := regexp.MustCompile(`\b` + t.name + `\b`); named.MatchString(line) && named.MatchString(statement) {
				fmt.Fprintln(r.out, line)
				break
			}
		}
	}
	fmt.Fprintf(r.out, "\n%s;\n\n%s:\n%sKalam:\n%s", statement, d.way, d.other, d.kalam)
}

// difference tells what another way of asking, "" if none, gave.
type difference struct {
	way          string
	other, kalam answer
}

// refusal is the way of a difference that only says that the statement is not
// supported.
const refusal = "not supported"

// tooLong is the way of a difference that only says that the statement was given
// up.
const tooLong = "took too long"

// compare runs a query in all ways and returns the first that differs.
func (r *runner) compare(ctx context.Context, q query) difference {
	base := r.indexed.ask(ctx, q.sql)
	switch {
	case base.err == nil:
	case defect(base.err):
		return difference{"Kalam fails", base, base}
	case refused(base.err):
		return difference{refusal, base, base}
	case base.err == errTooLong:
		return difference{tooLong, base, base}
	}
	ways := []struct {
		name string
		ask  func() answer
	}{
		{"Kalam again", func() answer { return r.indexed.ask(ctx, q.sql) }},
		{"Kalam without indexes, planned for large tables", func() answer { return r.plain.ask(ctx, q.sql) }},
		{"Kalam without indexes, spilling", func() answer { return r.spilling.ask(ctx, q.sql) }},
		{"Kalam, packed, with joins in the order written", func() answer { return r.packed.ask(ctx, straight(q.sql)) }},
		{"Kalam, WHERE partitioned", func() answer { return r.partitioned(ctx, q, base) }},
		{"MariaDB", func() answer { return r.askMariaDB(ctx, q, base) }},
	}
	for _, w := range ways {
		a := w.ask()
		if a.err == errTooLong {
			return difference{tooLong, a, base}
		}
		if !q.same(base, a) {
			return difference{w.name, a, base}
		}
	}
	return difference{}
}

// straight keeps the joins of a query in the order written.
func straight(sql string) string {
	sql = strings.ReplaceAll(sql, "SELECT ", "SELECT STRAIGHT_JOIN ")
	return strings.ReplaceAll(sql, "SELECT STRAIGHT_JOIN DISTINCT ", "SELECT DISTINCT STRAIGHT_JOIN ")
}

// partitioned puts the rows of q without its condition together from those for
// which the condition is true, false and NULL, and returns base if they are
// all.
func (r *runner) partitioned(ctx context.Context, q query, base answer) answer {
	if q.head == "" || q.where == "" || base.err != nil {
		return base
	}
	all := r.indexed.ask(ctx, q.head)
	sum := base
	for _, cond := range []string{"NOT (%s)", "(%s) IS NULL"} {
		part := r.indexed.ask(ctx, q.head+" WHERE "+fmt.Sprintf(cond, q.where))
		if part.err != nil {
			return base // an error of evaluation that the other rows give
		}
		sum.rows = append(sum.rows[:len(sum.rows):len(sum.rows)], part.rows...)
	}
	if all.err != nil || same(sum, all, false) {
		return base
	}
	return answer{err: fmt.Errorf("without WHERE %d rows; where true %d, in three parts %d", len(all.rows), len(base.rows), len(sum.rows))}
}

func (r *runner) askMariaDB(ctx context.Context, q query, base answer) answer {
	if r.mariadb == nil || differsInMariaDB(q.sql) {
		return base
	}
	statement := retold(q.sql)
	a := r.mariadb.ask(ctx, statement)
	if a.err != nil && unsupportedByMariaDB(a.err) || base.err != nil && a.err == nil && lenient(base.err) {
		return base
	}
	if roundsEarly.MatchString(q.sql) && sameWithin(base, a, 1e-2) || distribution.MatchString(q.sql) && sameWithin(base, a, 1e-7) {
		return base
	}
	if a.err != errTooLong && !q.same(base, a) {
		if b := r.mariadb.plainly(ctx, r.tables, statement); q.same(base, b) {
			r.contradictions++
			return b
		}
	}
	return a
}

// compareChange runs a statement that changes a table everywhere and returns the
// first peer whose tables differ afterwards.
func (r *runner) compareChange(ctx context.Context, change string, tables []*table) difference {
	ask := func(p peer) answer {
		statement := change
		if p == peer(r.mariadb) {
			statement = retold(change)
		}
		if a := p.ask(ctx, statement); a.err != nil {
			return a
		}
		var all answer
		for _, t := range tables {
			a := p.ask(ctx, "SELECT * FROM "+t.name+" ORDER BY id")
			all.rows = append(all.rows, a.rows...)
			if a.err != nil {
				return a
			}
		}
		return all
	}
	base := ask(r.indexed)
	switch {
	case base.err == nil:
	case defect(base.err):
		return difference{"Kalam fails", base, base}
	case refused(base.err):
		return difference{refusal, base, base}
	case lenient(base.err): // here nothing has changed, there it would
		return difference{}
	case base.err == errTooLong:
		return difference{tooLong, base, base}
	}
	type way struct {
		name string
		peer
	}
	ways := []way{{"Kalam without indexes", r.plain}, {"Kalam, packed", r.packed}}
	if r.mariadb != nil {
		ways = append(ways, way{"MariaDB", r.mariadb})
	}
	for _, w := range ways {
		a := ask(w)
		if a.err == errTooLong {
			return difference{tooLong, a, base}
		}
		if !same(base, a, true) {
			if w.peer == r.mariadb && a.err != nil && unsupportedByMariaDB(a.err) {
				return difference{refusal, a, base}
			}
			return difference{w.name, a, base}
		}
	}
	return difference{}
}

// roundsEarly finds sums of quotients, which MariaDB computes of rounded ones where its plan
// keeps them in a temporary table, and set operations of several kinds, which have one type there
// and in MySQL one each; distribution finds what it computes with fewer digits.
var (
	roundsEarly  = regexp.MustCompile(`(SUM|AVG)\(.* / | / .*(EXCEPT|INTERSECT)`)
	distribution = regexp.MustCompile(`CUME_DIST|PERCENT_RANK`)
)

// What MariaDB 10.11 is known to do in another way than MySQL 8.
var (
	mariadbOnly = []*regexp.Regexp{
		regexp.MustCompile(`\bREPLACE\(`),                                        // by NULL is NULL; there only where something is replaced
		regexp.MustCompile(`\b(FIELD|INTERVAL)\(`),                               // of NULL is 0 or -1, but there rows are left out as if it were NULL
		regexp.MustCompile(`JOIN.*\bELT\(`),                                      // of one text that is NULL is not always NULL; there outer joins become inner ones
		regexp.MustCompile(`BIT_\w+\([^()]*\) OVER`),                             // counts bits wrongly there where frames move
		regexp.MustCompile(`IN \(\(SELECT (MAX|MIN)\(`),                          // NULL, of no rows, is no value there
		regexp.MustCompile(`\(SELECT (MAX|MIN|COUNT)\(.* (ALL|ANY|IN) \(SELECT`), // is not always true there where it should be
		regexp.MustCompile(`AS UNSIGNED`),                                        // of a negative DECIMAL is 0 there
		regexp.MustCompile(`GROUPS |LATERAL`),                                    // unknown there
		regexp.MustCompile(`(EXCEPT|INTERSECT) ALL.*(EXCEPT|INTERSECT) ALL`),     // may never end there
		regexp.MustCompile(`NOT \(.*NOT \(.*\b(ANY|ALL) \(`),                     // NOT (NOT (1 < ANY (…))) is false there where 1 < ANY (…) is true
	}
	unsupported = []string{
		"SUBQUERY in ROW in left expression", "Invalid use of group function",
		"ERROR 1365", "ERROR 1292", "ERROR 1441", // computed for rows that LIMIT leaves out
		"ERROR 1253", // COLLATE of bytes in common table expressions that nothing names
		"ERROR 1247", // outer columns in the select lists of subqueries in ON
		"ERROR 1060", // UNION, then INTERSECT: columns need names of their own
	}
	stricter = []string{
		"Error 1365", "Error 1292", "Error 1441", // division by zero, a TIME or DATETIME out of range, where a plan computes what no row needs
		"Error 1093", // tables that are written may be read in subqueries
		"Error 1690", // BIGINT UNSIGNED: COALESCE of both signs is a DECIMAL there
	}
)

func differsInMariaDB(sql string) bool {
	for _, re := range mariadbOnly {
		if re.MatchString(sql) {
			return true
		}
	}
	return false
}

func unsupportedByMariaDB(err error) bool { return containsAny(err.Error(), unsupported) }

func lenient(err error) bool { return containsAny(err.Error(), stricter) }

func containsAny(s string, list []string) bool {
	for _, x := range list {
		if strings.Contains(s, x) {
			return true
		}
	}
	return false
}
