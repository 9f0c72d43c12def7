package plan_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"vitess.io/vitess/go/vt/sqlparser"

	"github.com/kalamgo/kalam/engine/exec"
	"github.com/kalamgo/kalam/engine/expr"
	"github.com/kalamgo/kalam/engine/plan"
	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/store"
	"github.com/kalamgo/kalam/engine/store/kv/mem"
	"github.com/kalamgo/kalam/engine/types"
)

// The same tables with and without keys.
const (
	plainTables = `
create table app.r (a int, b int, s varchar(10), d date);
create table app.q (a int, c int, s varchar(10));
create table app.p (k int, v int)`
	keyedTables = `
create table app.r (a int, b int, s varchar(10), d date, key ab (a, b), key s (s), key d (d, a)) comment '%[1]d';
create table app.q (a int, c int, s varchar(10), key a (a), key cs (c, s)) comment '%[2]d';
create table app.p (k int, v int, primary key (k), key v (v)) comment '%[3]d'`
)

// world is a database of the tables above.
type world struct {
	catalog plan.Catalog
	tables  map[string]*schema.Table
	tx      *store.Tx
}

func newWorld(t *testing.T, ddl string, data map[string][][]types.Value) *world {
	t.Helper()
	db, err := store.New(mem.Open(), store.Config{})
	if err != nil {
		t.Fatal(err)
	}
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tx.Close(); db.Close() })
	w := &world{tables: map[string]*schema.Table{}, tx: tx}
	c := plan.NewCatalog(t, ddl)
	w.catalog = c
	for _, table := range c {
		w.tables[table.Name] = table
		b := types.NewBatch(table.Types())
		for i, row := range data[table.Name] {
			if table.HasRowID() {
				row = append(row[:len(row):len(row)], types.NewUint(uint64(i+1)))
			}
			b.AppendRow(row)
		}
		conflict, err := tx.Shared(table).Insert(context.Background(), b)
		if err != nil || conflict != nil {
			t.Fatal(err, conflict)
		}
	}
	return w
}

// run returns a query's rows as texts, in the order they come.
func (w *world) run(sql string) ([]string, error) {
	ctx := context.Background()
	stmt, err := sqlparser.NewTestParser().Parse(sql)
	if err != nil {
		return nil, err
	}
	p, err := plan.Build(ctx, stmt, plan.Options{Catalog: w.catalog, Namespace: "app", SQL: sql})
	if err != nil {
		return nil, err
	}
	rt := &exec.Runtime{
		Env:         &expr.Env{Context: ctx, Now: time.Unix(0, 0), Zone: time.UTC, Database: "app"},
		Table:       func(t *schema.Table) (store.Table, error) { return w.tx.Shared(t), nil },
		MemoryBytes: 64 << 20,
		TempDir:     os.TempDir(),
	}
	runner := exec.NewRunner(rt)
	rt.Env.Runner = runner
	defer runner.Close()
	op, err := exec.Build(p.Root, rt)
	if err != nil {
		return nil, err
	}
	defer op.Close()
	if err := op.Open(ctx); err != nil {
		return nil, err
	}
	var rows []string
	for {
		b, err := op.Next(ctx)
		if err != nil || b.Len == 0 {
			return rows, err
		}
		for i := range b.Len {
			var cells []string
			for c, v := range b.Row(i, nil) {
				if v.IsNull() {
					cells = append(cells, "NULL")
					continue
				}
				cells = append(cells, string(types.AppendText(nil, p.Columns[c].Type, v)))
			}
			rows = append(rows, strings.Join(cells, "\t"))
		}
	}
}

// generator makes random rows and queries over the tables above.
type generator struct{ *rand.Rand }

func (g generator) pick(list ...string) string { return list[g.IntN(len(list))] }

func (g generator) maybe(v types.Value) types.Value {
	if g.IntN(6) == 0 {
		return types.Value{}
	}
	return v
}

func (g generator) num() types.Value { return g.maybe(types.NewInt(g.Int64N(8))) }
func (g generator) text() types.Value {
	return g.maybe(types.NewString(g.pick("", "a", "ab", "abc", "b", "B", "1", "2x")))
}

// day is a date of January 2024, packed.
func (g generator) day() types.Value {
	return g.maybe(types.NewInt(((2024*13+1)<<5 | (1 + g.Int64N(9))) << 41))
}

func (g generator) data() map[string][][]types.Value {
	data := map[string][][]types.Value{}
	for range 60 {
		data["r"] = append(data["r"], []types.Value{g.num(), g.num(), g.text(), g.day()})
	}
	for range 40 {
		data["q"] = append(data["q"], []types.Value{g.num(), g.num(), g.text()})
	}
	for i := range 10 {
		data["p"] = append(data["p"], []types.Value{types.NewInt(int64(i)), g.num()})
	}
	return data
}

func (g generator) intColumn(tables []string) string {
	t := g.pick(tables...)
	return t + "." + map[string][]string{"r": {"a", "b"}, "q": {"a", "c"}, "p": {"k", "v"}}[t[:1]][g.IntN(2)]
}

func (g generator) cond(tables []string, depth int) string {
	col := g.intColumn(tables)
	n := func() string { return fmt.Sprint(g.IntN(9)) }
	t := g.pick(tables...)
	text := t + ".s"
	if t[:1] == "p" {
		text = col
	}
	switch g.IntN(18) {
	case 0, 1, 2:
		return col + " = " + n()
	case 3:
		return col + g.pick(" < ", " <= ", " > ", " >= ", " <> ", " <=> ") + n()
	case 4:
		return col + " between " + n() + " and " + n()
	case 5:
		return col + g.pick(" in", " not in") + " (" + n() + ", " + n() + ", " + g.pick(n(), "null") + ")"
	case 6:
		return col + g.pick(" is null", " is not null", " <=> null")
	case 7:
		return text + g.pick(" = ", " >= ", " < ") + g.pick("'a'", "'ab'", "'1'", "1", "''", "'b'")
	case 8:
		return text + " like " + g.pick("'a%'", "'ab%'", "'%b'", "'_'", "'a'", "'B%'", "''")
	case 9, 10:
		if depth > 0 {
			return "(" + g.cond(tables, depth-1) + " or " + g.cond(tables, depth-1) + ")"
		}
	case 11:
		if depth > 0 {
			return "not (" + g.cond(tables, depth-1) + " and " + g.cond(tables, depth-1) + ")"
		}
	case 12:
		if depth > 0 {
			return col + g.pick(" in", " not in") + " (select " + g.pick("x.a", "x.c") + " from q x where x.s " + g.pick("is null", "> 'a'", "= 'b'") + ")"
		}
	case 13:
		if depth > 0 {
			return g.pick("", "not ") + "exists (select 1 from p z where z.k = " + col + " and z.v > " + n() + ")"
		}
	case 14:
		return "(" + col + ", " + g.intColumn(tables) + ")" + g.pick(" = ", " > ", " <= ") + "(" + n() + ", " + n() + ")"
	case 15:
		return "(" + col + ", " + g.intColumn(tables) + ") in ((" + n() + ", " + n() + "), (" + n() + ", " + n() + "))"
	case 16:
		return col + " = (select max(z.k) from p z where z.v = " + g.intColumn(tables) + ")"
	}
	return col + " = " + g.intColumn(tables)
}

func (g generator) where(tables []string) string {
	var conds []string
	for range g.IntN(4) {
		conds = append(conds, g.cond(tables, 2))
	}
	if len(conds) == 0 {
		return ""
	}
	return " where " + strings.Join(conds, " and ")
}

// from returns a FROM clause and its aliases.
func (g generator) from() (string, []string) {
	all := []string{"r", "q", "p", "r2", "q2"}
	g.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	n := 1 + g.IntN(3)
	text := ""
	for i, t := range all[:n] {
		item := t[:1] + " " + t
		if g.IntN(8) == 0 {
			item = "(select * from " + t[:1] + g.pick("", " where "+map[string]string{"r": "b > 2", "q": "c < 6", "p": "v = k"}[t[:1]]) + g.pick("", " limit 1000") + ") " + t
		}
		if i == 0 {
			text = item
			continue
		}
		on := " on " + g.intColumn(all[i:i+1]) + " = " + g.intColumn(all[:i])
		if g.IntN(3) == 0 {
			on += " and " + g.cond(all[:i+1], 1)
		}
		switch g.IntN(5) {
		case 0:
			text += " cross join " + item
		case 1, 2:
			text += " left join " + item + on
		case 3:
			text += " right join " + item + on
		default:
			text += " join " + item + on
		}
	}
	return text, all[:n]
}

// query returns a query and whether its order is part of its answer.
func (g generator) query() (sql string, ordered bool) {
	from, tables := g.from()
	col := func() string { return g.intColumn(tables) }
	where := g.where(tables)
	switch g.IntN(14) {
	case 11:
		return "select " + col() + " as x, rank() over (partition by " + col() + " order by " + col() + g.pick("", " desc") + "), sum(" + col() + ") over (partition by " + col() +
			g.pick("", " order by "+col()+g.pick("", " range between 2 preceding and 1 following")) + "), count(*) over () from " + from + where, false
	case 12:
		x := g.pick("a", "b")
		return "select * from (select a, b, max(b) over (partition by " + x + ") as m, dense_rank() over (order by b) as n from r" + g.pick("", " where d is not null") + ") w where " +
			g.pick(x+" = 3", x+" is null", "n < 4", x+" > 1 and m > 2", "a in (select q.a from q)"), false
	case 13:
		x, y := col(), col()
		return "select " + x + ", " + y + ", count(*), sum(" + col() + "), grouping(" + x + "), rank() over (order by count(*)) from " + from + where +
			" group by " + x + ", " + y + " with rollup" + g.pick("", " having count(*) > 1", " having grouping("+y+") = 0"), false
	case 10:
		k := col()
		return "select d.y, d.k from (select " + col() + " + 1 as y, " + k + " as k, " + col() + " as z from " + from + where + " order by k" +
			g.pick("", ", y, z limit 7") + ") d order by d.k" + g.pick(" desc, y limit 4", ", y limit 3", " desc, y"), true
	case 6:
		return "select " + col() + ", (select " + g.pick("max(z.k)", "count(*)", "sum(z.k + "+col()+")") + " from p z where z.v " + g.pick("=", "<") + " " + col() + ") from " + from + where, false
	case 7:
		return "select g.x, g.n, r.b from (select a as x, count(*) as n from q" + g.pick("", " where c > 2") + " group by a) g " + g.pick("join", "left join") +
			" r on r." + g.pick("a", "b") + " = g.x" + g.pick("", " and g.n > 1") + g.pick("", " where g.x = 3", " where g.n > 2", " where r.b is null"), false
	case 8:
		return "select * from " + g.pick("r natural join q", "r join q using (a)", "r left join q using (a, s)", "q right join r using (a)", "q natural left join r") +
			g.pick("", " where a = 3", " where b < 4"), false
	case 9:
		return "select " + col() + " from " + from + " where " + g.pick("", "not ") + "exists (select 1 from q x where x.a = " + col() + " and x.c " + g.pick("<", "=", "is null or x.c >") + " " + col() + ") and " +
			col() + g.pick(" in", " not in") + " (select x.a from q x where x.c = " + col() + ")", false
	case 0:
		k := col()
		return "select " + k + " as g, count(*), sum(" + col() + "), min(" + col() + "), count(distinct " + col() + ") from " + from + where +
			" group by " + k + g.pick("", " having count(*) > 1", " having g > 2"), false
	case 1:
		return "select " + g.pick("count(*), max("+col()+"), avg("+col()+")", "min("+col()+")", "max("+col()+")") + " from " + from + where, false
	case 2:
		return "select distinct " + col() + " as x, " + col() + " as y from " + from + where, false
	case 3:
		x, y := col(), col()
		return "select " + x + " as x, " + y + " as y from " + from + where + " order by x" + g.pick("", " desc") + ", y" + g.pick("", " desc") +
			g.pick("", " limit 5", " limit 3 offset 2"), true
	case 4:
		return "select " + col() + " as x from " + from + where + g.pick(" union ", " union all ") + "select a from r where " + g.cond([]string{"r"}, 1), false
	}
	return "select " + col() + ", " + col() + ", " + col() + " + 1 from " + from + where, false
}

// TestAnswersDoNotDependOnThePlan runs random queries over the same rows with
// keys and without, and with different estimates of the tables' sizes.
func TestAnswersDoNotDependOnThePlan(t *testing.T) {
	t.Parallel()
	g := generator{rand.New(rand.NewPCG(1, 2))}
	data := g.data()
	worlds := []*world{
		newWorld(t, plainTables, data),
		newWorld(t, fmt.Sprintf(keyedTables, 60, 40, 10), data),
		newWorld(t, fmt.Sprintf(keyedTables, 1000000, 1000, 10), data),
		newWorld(t, fmt.Sprintf(keyedTables, 10, 100000, 1000000), data),
	}
	for range 500 {
		sql, ordered := g.query()
		var want []string
		for i, w := range worlds {
			got, err := w.run(sql)
			if err != nil {
				t.Fatalf("%s: %v", sql, err)
			}
			if !ordered {
				slices.Sort(got)
			}
			if i == 0 {
				want = got
			} else if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("%s: answers differ in plan %d (-want +got)\n%s", sql, i, diff)
			}
		}
	}
}
