package plan

import (
	"context"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"vitess.io/vitess/go/vt/sqlparser"

	"github.com/kalamgo/kalam/engine/parse"
	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/stats"
	"github.com/kalamgo/kalam/engine/types"
)

var parser = sqlparser.NewTestParser()

var update = flag.Bool("update", false, "rewrite testdata")

// catalog is a Catalog of CREATE TABLE statements; a table's comment is its
// number of rows.
type catalog map[string]*schema.Table

func (c catalog) Table(_ context.Context, namespace, name string) (*schema.Table, error) {
	if namespace != "app" && namespace != "other" && namespace != "system" {
		return nil, sqlerr.BadDatabase.New("Unknown database '%s'", namespace)
	}
	t := c[namespace+"."+name]
	if t == nil {
		return nil, sqlerr.NoSuchTable.New("Table '%s.%s' doesn't exist", namespace, name)
	}
	return t, nil
}

func (c catalog) Children(context.Context, *schema.Table) ([]*schema.Table, error) { return nil, nil }

func (c catalog) Rows(t *schema.Table) int64 {
	n, _ := strconv.ParseInt(t.Comment, 10, 64)
	return n
}

func (c catalog) Packed(*schema.Table) float64 { return 0 }

func (c catalog) Statistics(*schema.Table) *stats.Table { return nil }

// packedCatalog is a catalog all of whose tables are packed.
type packedCatalog struct{ catalog }

func (c packedCatalog) Packed(*schema.Table) float64 { return 1 }

func newCatalog(t testing.TB, sql string) catalog {
	t.Helper()
	c := catalog{}
	for _, text := range strings.Split(sql, ";") {
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		stmt, err := parser.Parse(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		table := newTable(t, stmt.(*sqlparser.CreateTable))
		table.ID = uint32(len(c) + 1)
		c[table.QualifiedName()] = table
	}
	return c
}

func newTable(t testing.TB, ct *sqlparser.CreateTable) *schema.Table {
	t.Helper()
	table := &schema.Table{Namespace: ct.Table.Qualifier.String(), Name: ct.Table.Name.String(), Kind: schema.Shared, Version: 1}
	if table.Namespace == "system" {
		table.Kind = schema.System
	}
	for _, o := range ct.TableSpec.Options {
		if strings.EqualFold(o.Name, "comment") {
			table.Comment = o.Value.Val
		}
	}
	for i, def := range ct.TableSpec.Columns {
		ty, err := types.FromColumnType(def.Name.String(), def.Type)
		if err != nil {
			t.Fatal(err)
		}
		c := schema.Column{ID: uint32(i + 1), Name: def.Name.String(), Type: ty}
		if o := def.Type.Options; o != nil {
			c.NotNull = o.Null != nil && !*o.Null
			c.AutoIncrement = o.Autoincrement
			if o.Default != nil {
				c.Default = sqlparser.String(o.Default)
			}
		}
		table.Columns = append(table.Columns, c)
	}
	for _, ix := range ct.TableSpec.Indexes {
		var cols []int
		for _, c := range ix.Columns {
			cols = append(cols, table.Column(c.Column.String()))
		}
		if ix.Info.Type == sqlparser.IndexTypePrimary {
			table.PrimaryKey = cols
			for _, c := range cols {
				table.Columns[c].NotNull = true
			}
			continue
		}
		table.Indexes = append(table.Indexes, schema.Index{ID: uint32(len(table.Indexes) + 1), Name: ix.Info.Name.String(),
			Columns: cols, Unique: ix.Info.Type == sqlparser.IndexTypeUnique})
	}
	if table.PrimaryKey == nil {
		table.PrimaryKey = []int{len(table.Columns)}
		table.Columns = append(table.Columns, schema.Column{Name: schema.RowIDColumn, Type: types.Uint64Type, NotNull: true, Hidden: true})
	}
	return table
}

// explain plans a statement with two integer parameters and prints the plan, or
// its error.
func explain(c Catalog, sql string) string {
	stmts, err := parse.Parse(sql)
	if err != nil {
		return "parse: " + err.Error()
	}
	p, err := Build(context.Background(), stmts[0].AST, Options{Catalog: c, Namespace: "app", SQL: sql,
		Params: []types.Type{types.Int64Type, types.Int64Type}})
	if err != nil {
		return err.Error()
	}
	lines := Explain(p)
	if p.Columns != nil {
		cols := make([]string, len(p.Columns))
		for i, col := range p.Columns {
			cols[i] = col.Name
			if col.Nullable {
				cols[i] += "?"
			}
		}
		lines = append([]string{"=> " + strings.Join(cols, " | ")}, lines...)
	}
	return strings.Join(lines, "\n")
}

// TestPlans plans the statements of testdata/*.txt and compares the plans. A
// file is statements, each followed by ---- and its plan, and an empty line. The tables
// of packed.txt are packed.
func TestPlans(t *testing.T) {
	t.Parallel()
	tables, err := os.ReadFile("testdata/schema.sql")
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no testdata", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			var c Catalog = newCatalog(t, string(tables))
			if filepath.Base(file) == "packed.txt" {
				c = packedCatalog{c.(catalog)}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var got strings.Builder
			for _, block := range strings.Split(string(want), "\n\n") {
				sql, _, _ := strings.Cut(strings.Trim(block, "\n"), "\n----")
				if sql == "" {
					continue
				}
				got.WriteString(sql + "\n----\n" + explain(c, strings.ReplaceAll(sql, "\n", " ")) + "\n\n")
			}
			if *update {
				if err := os.WriteFile(file, []byte(got.String()), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(string(want), got.String()); diff != "" {
				t.Errorf("plans differ (-want +got); go test -update rewrites them\n%s", diff)
			}
		})
	}
}

func TestBuildInterrupted(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	stmt, err := parser.Parse("select 1")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Build(ctx, stmt, Options{}); !errors.Is(err, sqlerr.Interrupted) || !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestPartialGroupBy(t *testing.T) {
	t.Parallel()
	c := newCatalog(t, "create table app.t (a int, b int)")
	for _, sql := range []string{"select a, b from t group by a", "select b, count(*) from t", "select a from t group by a order by b"} {
		stmt, err := parser.Parse(sql)
		if err != nil {
			t.Fatal(err)
		}
		o := Options{Catalog: c, Namespace: "app"}
		if _, err := Build(context.Background(), stmt, o); !errors.Is(err, sqlerr.WrongFieldWithGrp) && !errors.Is(err, sqlerr.MixGroupFuncFields) {
			t.Errorf("%s: got %v", sql, err)
		}
		o.PartialGroupBy = true
		if _, err := Build(context.Background(), stmt, o); err != nil {
			t.Errorf("%s: with PartialGroupBy: %v", sql, err)
		}
	}
}

func TestItemTexts(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		sql  string
		want []string
	}{
		{"select COUNT( * ), a+ 1 from t", []string{"COUNT( * )", "a+ 1"}},
		{"select distinct /* c */ a , 'x,y' , (select 1 from t)", []string{"a", "'x,y'", "(select 1 from t)"}},
		{"(select extract(year from d)) union select 2", []string{"extract(year from d)"}},
		{"explain select 1 limit 3;", []string{"1"}},
		{"select sum(distinct a), ? where 1", []string{"sum(distinct a)", "?"}},
		{"with x as (select 1 as a, 2 as b) select count(*), a from x group by a", []string{"count(*)", "a"}},
		{"with recursive x (as1) as /* c */ (select (1) union all select as1+1 from x), y as (with z as (select 3) select 4) select max( as1 ) from x", []string{"max( as1 )"}},
		{"create table t with (type='user') as with x as (select 1) (select 5 + 1 from x)", []string{"5 + 1"}},
		{"with x as (select 1), y as (select 2", nil},
		{"with x as select 1", nil},
		{"with x", nil},
		{"select 'open", nil},
		{"insert into t values (1)", nil},
		{"", nil},
	} {
		if diff := cmp.Diff(c.want, itemTexts(c.sql)); diff != "" {
			t.Errorf("%s (-want +got)\n%s", c.sql, diff)
		}
	}
}

func TestSuccessor(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ prefix, want string }{
		{"ab", "ac"},
		{"a\U0010ffff", "b"},
		{"\ud7ff", "\ue000"},
		{"\U0010ffff", ""},
	} {
		if got := string(successor([]rune(c.prefix))); got != c.want {
			t.Errorf("successor(%q) = %q, want %q", c.prefix, got, c.want)
		}
	}
}
