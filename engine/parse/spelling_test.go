package parse

import (
	"strings"
	"testing"

	"vitess.io/vitess/go/vt/sqlparser"

	"github.com/kalamgo/kalam/engine/sqlerr"
)

// markers makes the marks of set operators, which no text has.
var markers = strings.NewReplacer("row('intersect')", "::intersect", "row('except')", "::except", "row('whole')", "::whole")

func TestSpellings(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ sql, same string }{
		{"create table t (a dec(5,2), b double precision, c serial)", "create table t (a decimal(5,2), b double, c bigint unsigned not null auto_increment unique)"},
		{"create table t (serial int, `dec` int, key serial (serial))", "create table t (`serial` int, `dec` int, key `serial` (`serial`))"},
		{"alter table t add column c SERIAL, modify d DEC", "alter table t add column c bigint unsigned not null auto_increment unique, modify d decimal"},
		{"drop tables if exists a, b", "drop table if exists a, b"},
		{"create table t (i int, primary key using btree (i), index x USING HASH (i))", "create table t (i int, primary key (i), index x (i))"},
		{"insert low_priority into t values (1)", "insert into t values (1)"},
		{"insert high_priority ignore into t values (1)", "insert ignore into t values (1)"},
		{"replace delayed into t values (1)", "replace into t values (1)"},
		{"update low_priority t set a = 1", "update t set a = 1"},
		{"delete quick from t", "delete from t"},
		{"delete low_priority from t", "delete from t"},
		{"begin work", "begin"},
		{"commit WORK", "commit"},
		{"rollback work", "rollback"},
		{"rollback work to x", "rollback to x"},
		{"select mid('abc', 2), mid('abc', 2, 1), mid from t", "select substr('abc', 2), substr('abc', 2, 1), mid from t"},
		{"table t order by a limit 2", "select * from t order by a limit 2"},
		{"select 1 union all table t", "select 1 union all select * from t"},
		{"table t union (table u)", "select * from t union (select * from u)"},
		{"insert into t (a) table u", "insert into t (a) select * from u"},
		{"select t.table from t", "select t.`table` from t"},
		{"select 1 from u where a in (table t)", "select 1 from u where a in (select * from t)"},
		{"select 'dec', work from t", "select 'dec', `work` from t"},
		{"select cast(1 as dec(5,2)), count( all x) from t", "select cast(1 as decimal(5,2)), count(x) from t"},
		{"create table t (a int constraint x check (a > cast(1 as dec)) not null, b dec check (b > 0) NOT ENFORCED check (b < 9), check (a < b))",
			"create table t (a int not null, constraint x check (a > cast(1 as decimal)), b decimal, check (b > 0) not enforced, check (b < 9), check (a < b))"},
		{"create table t (a int check (a > 0) not null default 1, b int constraint check ((b) > 1) enforced)",
			"create table t (a int not null default 1, check (a > 0), b int, check ((b) > 1))"},
		{"alter table t add a int check (a > 0) first, add constraint y check (a < 5) -- x", "alter table t add a int first, add constraint y check (a < 5), add check (a > 0)"},
		{"alter table t add (a int check (a > 0), b int not null check (b > 0)), drop check x",
			"alter table t add (a int, b int not null), drop check x, add check (a > 0), add check (b > 0)"},
		{"alter table t alter constraint x not enforced, drop constraint y", "alter table t alter check x not enforced, drop constraint y"},
		{"do 1, sleep(0)", "select 1, sleep(0)"},
		{"select 1 intersect (select 2 except all select 3)", "select 1 union values row('intersect') union (select 2 union values row('except') union all select 3)"},
		{"select 1 union distinct select 2 intersect table t order by 1", "select 1 union (select 2 union values row('intersect') union select * from t) order by 1"},
		{"(select 1 limit 2) limit 1", "(select 1 limit 2) union values row('whole') limit 1"},
		{"select t.except, t.intersect, `except`, 'except' from t", "select t.`except`, t.`intersect`, `except`, 'except' from t"},
		{"select grouping (a) from t group by a with rollup", "select `grouping`(a) from t group by a with rollup"},
	} {
		got, err := Parse(tt.sql)
		if err != nil {
			t.Errorf("%s: %v", tt.sql, err)
			continue
		}
		want, err := parseStrict(markers.Replace(tt.same))
		if err != nil {
			t.Fatalf("%s: %v", tt.same, err)
		}
		if g, w := sqlparser.String(got[0].AST), sqlparser.String(want); g != w {
			t.Errorf("%s: %s, want %s", tt.sql, g, w)
		}
		if got[0].SQL != tt.sql || got[0].Discards != strings.HasPrefix(tt.sql, "do") {
			t.Errorf("%s: %+v", tt.sql, got[0])
		}
	}
}

func TestSeveralWindows(t *testing.T) {
	t.Parallel()
	got, err := Parse("select (select 1 from t window a as (), b as ()), c from t group by (d), e window w as (order by f(x), y), v as (w), u as () order by x, y")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	_ = sqlparser.Walk(func(n sqlparser.SQLNode) (bool, error) {
		if d, ok := n.(*sqlparser.WindowDefinition); ok {
			names = append(names, d.Name.String())
		}
		return true, nil
	}, got[0].AST)
	if text := strings.Join(names, " "); text != "a b w v u" {
		t.Errorf("windows %s", text)
	}
	if _, err := Parse("select 1 from t window a as (), b as () nonsense"); sqlerr.As(err) == nil || sqlerr.As(err).Position != 41 {
		t.Errorf("got %v", err)
	}
}

func TestUnread(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		sql  string
		kind *sqlerr.Kind
		text string
		at   int
	}{
		{"select 1; xa start 'x'", sqlerr.NotSupported, "XA", 11},
		{"create function f() returns int return 1", sqlerr.NotSupported, "CREATE FUNCTION", 1},
		{"create event e on schedule every 1 day do select 1", sqlerr.NotSupported, "CREATE EVENT", 1},
		{"select * from (select 1)", sqlerr.DerivedNeedsAlias, "", 25},
		{"select * from t join (select (1)) where 1", sqlerr.DerivedNeedsAlias, "", 35},
		{"select * from (select 1) x, (select", sqlerr.Syntax, "near '' at", 36},
		// Errors are where they are in the text as it was given.
		{"create table t (a dec, b serial, c bogus)", sqlerr.Syntax, "near 'bogus)'", 36},
		{"select 1 union select 2 intersect table t whre 1", sqlerr.Syntax, "near '1'", 48},
		{"select 1 except", sqlerr.Syntax, "near ''", 16},
		{"select 1 union select 2 intersect select 3 limit", sqlerr.Syntax, "near ''", 49},
		{"except select 1", sqlerr.Syntax, "near 'except", 1},
		{"table t whre 1", sqlerr.Syntax, "near '1'", 14},
		{"begin work 1", sqlerr.Syntax, "near '1'", 12},
	} {
		_, err := Parse(tt.sql)
		e := sqlerr.As(err)
		if e == nil || e.Kind != tt.kind || !strings.Contains(e.Message, tt.text) || e.Position != tt.at {
			t.Errorf("%s: %v at %d", tt.sql, err, e.Position)
		}
	}
}
