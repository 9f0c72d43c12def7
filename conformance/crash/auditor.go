package main

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
)

// auditor compares a database with a ledger.
type auditor struct {
	l        *ledger
	db       *sql.DB
	mayLose  bool // the last commits
	failures []error
}

func (a *auditor) fail(format string, args ...any) {
	if len(a.failures) < 20 {
		a.failures = append(a.failures, fmt.Errorf(format, args...))
	}
}

// each calls f with the rows of a query as numbers; NULL is 0.
func (a *auditor) each(ctx context.Context, query string, f func(n []int64)) {
	rows, err := a.db.QueryContext(ctx, query)
	if err != nil {
		a.fail("%s: %v", query, err)
		return
	}
	defer rows.Close()
	columns, _ := rows.Columns()
	values, dest, n := make([]sql.NullInt64, len(columns)), make([]any, len(columns)), make([]int64, len(columns))
	for i := range values {
		dest[i] = &values[i]
	}
	for rows.Next() {
		if err := rows.Scan(dest...); err != nil {
			a.fail("%s: %v", query, err)
			return
		}
		for i := range values {
			n[i] = values[i].Int64
		}
		f(n)
	}
	if err := rows.Err(); err != nil {
		a.fail("%s: %v", query, err)
	}
}

// settle compares the last number that was acknowledged with the last one found,
// and takes that over.
func (a *auditor) settle(what string, last *int64, found int64) {
	if found < *last && !a.mayLose || found > *last+a.l.unchecked {
		a.fail("%s: %d is acknowledged, %d found", what, *last, found)
	}
	*last = found
}

func (a *auditor) run(ctx context.Context) {
	if !a.complete(ctx) {
		return
	}
	a.checkTables(ctx)
	a.transfers(ctx)
	a.lists(ctx)
	a.notes(ctx)
	a.loads(ctx)
	a.definitions(ctx)
}

// complete reports whether the child has got as far as making all tables, which
// it must have if it said so.
func (a *auditor) complete(ctx context.Context) bool {
	names, err := strings1(ctx, a.db, "SHOW TABLES")
	if err != nil {
		a.fail("SHOW TABLES: %v", err)
		return false
	}
	for _, t := range []string{"accounts", "counter", "lists", "loads", "notes", "transfers"} {
		if !slices.Contains(names, t) {
			if a.l.made && !a.mayLose {
				a.fail("table %s is missing", t)
			}
			a.lostAll()
			return false
		}
	}
	filled := int64(1)
	a.each(ctx, "SELECT (SELECT COUNT(*) FROM accounts), (SELECT COUNT(*) FROM lists), (SELECT COUNT(*) FROM counter)", func(n []int64) {
		if n[0] != 0 && n[0] != accounts || n[1] != 0 && n[1] != lists {
			a.fail("%d accounts and %d lists", n[0], n[1])
		}
		filled = n[0] * n[1] * n[2]
	})
	if filled == 0 {
		if a.l.made && !a.mayLose {
			a.fail("tables are empty")
		}
		a.lostAll()
	}
	return filled != 0
}

// lostAll lets the ledger begin anew, where all could be lost.
func (a *auditor) lostAll() {
	if len(a.failures) == 0 {
		spare := a.l.spareTables
		*a.l = *newLedger(a.l.path, a.l.sync, a.l.shim, a.l.kind)
		a.l.spareTables = spare
	}
}

func (a *auditor) checkTables(ctx context.Context) {
	rows, err := a.db.QueryContext(ctx, "CHECK DATABASE EXTENDED")
	if err != nil {
		a.fail("CHECK DATABASE: %v", err)
		return
	}
	defer rows.Close()
	tables := 0
	for rows.Next() {
		var table, op, kind, text string
		if err := rows.Scan(&table, &op, &kind, &text); err != nil {
			a.fail("CHECK DATABASE: %v", err)
		}
		if tables++; kind != "status" || text != "OK" {
			a.fail("CHECK DATABASE: %s: %s %s", table, kind, text)
		}
	}
	if err := rows.Err(); err != nil {
		a.fail("CHECK DATABASE: %v", err)
	}
	if tables < 6 {
		a.fail("CHECK DATABASE: %d tables", tables)
	}
}

func (a *auditor) transfers(ctx context.Context) {
	var balance, changes [accounts]int64
	for i := range balance {
		balance[i] = startAmount
	}
	var last [transferers]int64
	a.each(ctx, "SELECT worker, seq, src, dst, amount FROM transfers ORDER BY worker, seq", func(n []int64) {
		if w := n[0]; n[1] != last[w]+1 {
			a.fail("transfers of worker %d: %d follows %d", w, n[1], last[w])
		}
		last[n[0]] = n[1]
		balance[n[2]] -= n[4]
		balance[n[3]] += n[4]
		changes[n[2]]++
		changes[n[3]]++
	})
	for w := range last {
		a.settle(fmt.Sprint("transfers of worker ", w), &a.l.transfers[w], last[w])
	}
	sum := int64(0)
	a.each(ctx, "SELECT id, balance, changes FROM accounts", func(n []int64) {
		sum += n[1]
		if n[1] != balance[n[0]] || n[2] != changes[n[0]] {
			a.fail("account %d has %d after %d changes, its transfers make %d and %d", n[0], n[1], n[2], balance[n[0]], changes[n[0]])
		}
	})
	if sum != accounts*startAmount {
		a.fail("all accounts have %d", sum)
	}
	chain := int64(0)
	a.each(ctx, "SELECT chain FROM transfers WHERE chain IS NOT NULL ORDER BY chain", func(n []int64) {
		if chain++; n[0] != chain {
			a.fail("chained transfers: %d follows %d", n[0], chain-1)
			chain = n[0]
		}
	})
	a.each(ctx, "SELECT n FROM counter", func(n []int64) {
		if n[0] != chain {
			a.fail("the counter is %d after %d chained transfers", n[0], chain)
		}
	})
	if chain < a.l.chain && !a.mayLose {
		a.fail("chained transfers: %d is acknowledged, %d found", a.l.chain, chain)
	}
	a.l.chain = chain
}

// element is one of a list.
type element struct {
	worker int
	seq    int64
}

func parseList(text string) (list []element, err error) {
	for text != "" {
		one, rest, whole := strings.Cut(text, ";")
		var e element
		if _, err := fmt.Sscanf(one, "%d.%d", &e.worker, &e.seq); err != nil || !whole || e.worker < 0 || e.worker >= appenders {
			return nil, fmt.Errorf("a list has %q", one)
		}
		list, text = append(list, e), rest
	}
	return list, nil
}

func (a *auditor) lists(ctx context.Context) {
	rows, err := a.db.QueryContext(ctx, "SELECT id, n, elements FROM lists")
	if err != nil {
		a.fail("lists: %v", err)
		return
	}
	defer rows.Close()
	in := map[element][]int{}
	var last [appenders]int64
	for rows.Next() {
		var id, n int
		var text string
		if err := rows.Scan(&id, &n, &text); err != nil {
			a.fail("lists: %v", err)
			return
		}
		list, err := parseList(text)
		if err != nil {
			a.fail("list %d: %v", id, err)
		}
		if len(list) != n {
			a.fail("list %d has %d elements and counts %d", id, len(list), n)
		}
		before := [appenders]int64{}
		for _, e := range list {
			if e.seq <= before[e.worker] {
				a.fail("list %d: %d of worker %d after %d", id, e.seq, e.worker, before[e.worker])
			}
			before[e.worker] = e.seq
			last[e.worker] = max(last[e.worker], e.seq)
			in[e] = append(in[e], id)
		}
	}
	if err := rows.Err(); err != nil {
		a.fail("lists: %v", err)
	}
	for w := range last {
		for seq := int64(1); seq <= last[w]; seq++ {
			x, y := pick(w, seq)
			if got := in[element{w, seq}]; !slices.Equal(got, []int{min(x, y), max(x, y)}) {
				a.fail("element %d of worker %d is in lists %v, not %d and %d", seq, w, got, x, y)
			}
		}
		a.settle(fmt.Sprint("appends of worker ", w), &a.l.appends[w], last[w])
	}
}

func (a *auditor) notes(ctx context.Context) {
	last, parts := int64(0), int64(notesParts)
	a.each(ctx, "SELECT seq, part FROM notes ORDER BY seq, part", func(n []int64) {
		switch {
		case parts == notesParts && (last == 0 || n[0] == last+1) && n[1] == 0:
			last, parts = n[0], 1
		case n[0] == last && n[1] == parts:
			parts++
		default:
			a.fail("note %d, part %d follows %d, part %d", n[0], n[1], last, parts-1)
			last, parts = n[0], n[1]+1
		}
	})
	if parts != notesParts {
		a.fail("note %d has %d parts", last, parts)
	}
	a.settle("notes", &a.l.note, last)
}

// loads checks that each load is there as a whole, with what its transaction changed.
func (a *auditor) loads(ctx context.Context) {
	last := int64(0)
	a.each(ctx, "SELECT seq, COUNT(*), SUM(id), SUM(pad = 'changed') FROM loads FORCE INDEX (PRIMARY) GROUP BY seq ORDER BY seq", func(n []int64) {
		var rows, sum, changed int64
		for id := n[0] * loadRows; id < (n[0]+1)*loadRows; id++ {
			switch id % 5000 {
			case 9:
				continue
			case 7:
				changed++
			}
			rows, sum = rows+1, sum+id
		}
		if n[1] != rows || n[2] != sum || n[3] != changed {
			a.fail("load %d has %d rows, %d changed, sum %d", n[0], n[1], n[3], n[2])
		}
		if last > 0 && n[0] != last+1 {
			a.fail("load %d follows %d", n[0], last)
		}
		last = n[0]
	})
	a.settle("loads", &a.l.load, last)
}

// definitions checks that each table is in the state that was acknowledged last,
// or one step further.
func (a *auditor) definitions(ctx context.Context) {
	names, err := strings1(ctx, a.db, "SHOW TABLES LIKE 'ddl\\_%'")
	if err != nil {
		a.fail("SHOW TABLES: %v", err)
	}
	if len(names) > 1 {
		a.fail("tables %v: only one is there at a time", names)
	}
	state := map[string]int{}
	for _, name := range names {
		step, err := a.step(ctx, name)
		if err != nil {
			a.fail("%s: %v", name, err)
		}
		state[strings.TrimPrefix(name, "ddl_")] = step
	}
	if !a.mayLose {
		for k, step := range a.l.defined {
			found, there := state[k]
			if !there {
				found = len(definitions)
			}
			_, inherited := a.l.inherited[k]
			if found != step && found != step+1 && !(inherited && !there) {
				a.fail("table ddl_%s: step %d is acknowledged, the table is at %d", k, step, found)
			}
		}
	}
	a.l.defined = state
}

// step finds out how far a table has got.
func (a *auditor) step(ctx context.Context, name string) (int, error) {
	rows := int64(-1)
	a.each(ctx, "SELECT COUNT(*) FROM "+name, func(n []int64) { rows = n[0] })
	var list []string
	shown, err := a.db.QueryContext(ctx, "SHOW INDEX FROM "+name)
	if err != nil {
		return 0, err
	}
	defer shown.Close()
	columns, _ := shown.Columns()
	for shown.Next() {
		dest := make([]any, len(columns))
		var key string
		for i := range dest {
			dest[i] = new(any)
			if columns[i] == "Key_name" {
				dest[i] = &key
			}
		}
		if err := shown.Scan(dest...); err != nil {
			return 0, err
		}
		if !slices.Contains(list, key) {
			list = append(list, key)
		}
	}
	slices.Sort(list)
	for step, want := range []struct {
		rows int64
		keys string
	}{1: {0, "PRIMARY u"}, 2: {ddlRows, "PRIMARY u"}, 3: {ddlRows, "PRIMARY i u"}, 4: {ddlRows, "PRIMARY i v"}, 5: {0, "PRIMARY i v"}} {
		if step > 0 && want.rows == rows && want.keys == strings.Join(list, " ") {
			return step, nil
		}
	}
	return 0, fmt.Errorf("%d rows and keys %v: half made", rows, list)
}
