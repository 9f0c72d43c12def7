package parse

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"vitess.io/vitess/go/vt/sqlparser"

	"github.com/kalamgo/kalam/engine/sqlerr"
)

func TestParse(t *testing.T) {
	t.Parallel()
	type stmt struct {
		SQL, AST      string
		Offset        int
		Params, First int
		Names         []string
		Variables     bool
	}
	for _, tt := range []struct {
		sql  string
		want []stmt
	}{
		{"select 1", []stmt{{SQL: "select 1", AST: "select 1 from dual"}}},
		{" ;; select 1 ; ", []stmt{{SQL: "select 1 ", AST: "select 1 from dual", Offset: 4}}},
		{"select ';', \"a;b\" -- c;d\n, `x;y` /* ; */ from t; commit", []stmt{
			{SQL: "select ';', \"a;b\" -- c;d\n, `x;y` /* ; */ from t", AST: "select ';', 'a;b', `x;y` from t"},
			{SQL: "commit", AST: "commit", Offset: 49},
		}},
		{"insert into t values (?, ?); select ? from t", []stmt{
			{SQL: "insert into t values (?, ?)", AST: "insert into t values (:v1, :v2)", Params: 2},
			{SQL: "select ? from t", AST: "select :v1 from t", Offset: 29, Params: 1, First: 2},
		}},
		{"select :b, :a, :b; select :a", []stmt{
			{SQL: "select :b, :a, :b", AST: "select :v1, :v2, :v1 from dual", Params: 2, Names: []string{"b", "a"}},
			{SQL: "select :a", AST: "select :v1 from dual", Offset: 19, Params: 1, Names: []string{"a"}},
		}},
		{"select :v2, :v1", []stmt{{SQL: "select :v2, :v1", AST: "select :v1, :v2 from dual", Params: 2, Names: []string{"v2", "v1"}}}},
		{"select @@version", []stmt{{SQL: "select @@version", AST: "select @@version from dual", Variables: true}}},
		{"(select 1) union select 2", []stmt{{SQL: "(select 1) union select 2", AST: "select 1 from dual union select 2 from dual"}}},
		{"/* c */ select 1", []stmt{{SQL: "select 1", AST: "select 1 from dual", Offset: 8}}},
		{"`t`", nil},
		{"/*!40101 SET NAMES utf8mb4 */; /*!99999 nothing */; select /*!80000 1, */ 2", []stmt{
			{SQL: "/*!40101 SET NAMES utf8mb4 */", AST: "set NAMES 'utf8mb4'"},
			{SQL: "select /*!80000 1, */ 2", AST: "select 1, 2 from dual", Offset: 52},
		}},
		{"create table t (a uuid, key uuid (a), unique uuid (a), constraint uuid unique (a))", []stmt{{
			SQL: "create table t (a uuid, key uuid (a), unique uuid (a), constraint uuid unique (a))",
			AST: "create table t (\n\ta uuid,\n\tkey uuid (a),\n\tunique key uuid (a),\n\tconstraint uuid unique key (a)\n)",
		}}},
		{"create table t (id UUID primary key, uuid uuid, c json)", []stmt{{
			SQL: "create table t (id UUID primary key, uuid uuid, c json)",
			AST: "create table t (\n\tid uuid primary key,\n\tuuid uuid,\n\tc json\n)",
		}}},
		{"select Count( ALL a), max(all/**/ b) from t where a > all (select 1 from dual)", []stmt{{
			SQL: "select Count( ALL a), max(all/**/ b) from t where a > all (select 1 from dual)",
			AST: "select count(a), max(b) from t where a > all (select 1 from dual)",
		}}},
		{"create table t (a int unique primary key, b int, primary key (b), key `primary` (a))", []stmt{{
			SQL: "create table t (a int unique primary key, b int, primary key (b), key `primary` (a))",
			AST: "create table t (\n\ta int primary key,\n\tb int,\n\tprimary key (b),\n\tkey `primary` (a)\n)",
		}}},
		{"set names utf8mb4 collate utf8mb4_bin", []stmt{{
			SQL: "set names utf8mb4 collate utf8mb4_bin", AST: "set names 'utf8mb4'",
		}}},
		{"create table t (uuid int, b char(3) default (uuid()))", []stmt{{
			SQL: "create table t (uuid int, b char(3) default (uuid()))",
			AST: "create table t (\n\tuuid int,\n\tb char(3) default (uuid())\n)",
		}}},
	} {
		list, err := Parse(tt.sql)
		if tt.want == nil {
			if !errors.Is(err, sqlerr.Syntax) {
				t.Errorf("Parse(%q): %v", tt.sql, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("Parse(%q): %v", tt.sql, err)
			continue
		}
		var got []stmt
		for _, s := range list {
			got = append(got, stmt{s.SQL, sqlparser.String(s.AST), s.Offset, s.Params, s.First, s.Names, s.Variables})
		}
		if d := cmp.Diff(tt.want, got); d != "" {
			t.Errorf("Parse(%q): %s", tt.sql, d)
		}
	}
}

func TestParseErrors(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		sql  string
		kind *sqlerr.Kind
		text string
		pos  int
	}{
		{"", sqlerr.EmptyQuery, "Query was empty", 0},
		{" ; -- x\n ;/* */", sqlerr.EmptyQuery, "Query was empty", 0},
		{"selec 1", sqlerr.Syntax, "near 'selec 1' at line 1", 1},
		{"select 1;\nselect from", sqlerr.Syntax, "near 'from' at line 2", 18},
		{"select 'abc", sqlerr.Syntax, "near ''abc' at line 1", 8},
		{"select 1 +", sqlerr.Syntax, "near '' at line 1", 11},
		{"select ?, :a", sqlerr.WrongArguments, "cannot be mixed", 0},
		{"select ?; select :a", sqlerr.WrongArguments, "cannot be mixed", 0},
		{"set names utf8mb4 collate utf8mb4_general_ci", sqlerr.NotSupported, "COLLATE", 1},
		{"create table t (a int primary key unique)", sqlerr.NotSupported, "PRIMARY KEY", 1},
		{"select ::a", sqlerr.Syntax, "near '::a' at line 1", 8},
		{"select \x00", sqlerr.Syntax, "near '\x00' at line 1", 8},
		{"create table t (a int) bogus=1 x", sqlerr.Syntax, "near", 0},
		{"select " + strings.Repeat("(", 1000) + "1", sqlerr.Syntax, "near", 0},
		{"select 1" + strings.Repeat(" + 1", 6000), sqlerr.NotSupported, "nested", 1},
		{"select " + strings.Repeat("- ", 100000) + "1", sqlerr.NotSupported, "nested", 1},
	} {
		_, err := Parse(tt.sql)
		e := sqlerr.As(err)
		if !errors.Is(err, tt.kind) || !strings.Contains(e.Message, tt.text) || tt.pos != 0 && e.Position != tt.pos {
			t.Errorf("Parse(%.40q): %v", tt.sql, err)
		}
	}
}

func TestLongChains(t *testing.T) {
	t.Parallel()
	for _, sql := range []string{
		"select a from t where a = 1" + strings.Repeat(" or a = 2", 15000),
		"select 1" + strings.Repeat(" + 1", 4000),
		"select " + strings.Repeat("(", 4000) + "1" + strings.Repeat(")", 4000),
		"select a from t where a in (1" + strings.Repeat(", -2", 50000) + ")",
	} {
		if _, err := Parse(sql); err != nil {
			t.Errorf("%.40s: %v", sql, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"select 1; select ?", "select /*! 1 */", "create table t (a uuid)", "select :a, 'x", "`", "/*!", "x'"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, sql string) {
		list, err := Parse(sql)
		if err != nil && sqlerr.As(err) == nil {
			t.Fatalf("%q: %v", sql, err)
		}
		for _, s := range list {
			if s.Offset < 0 || s.Offset+len(s.SQL) > len(sql) || sql[s.Offset:s.Offset+len(s.SQL)] != s.SQL {
				t.Fatalf("%q: statement %q is not at %d", sql, s.SQL, s.Offset)
			}
		}
	})
}

func BenchmarkParse(b *testing.B) {
	for name, sql := range map[string]string{
		"point":       "SELECT a, b, c FROM t WHERE id = ?",
		"insert 1000": "INSERT INTO t VALUES " + strings.Repeat("(1, 'abc', 2.5, NULL, -7), ", 999) + "(1, 'abc', 2.5, NULL, -7)",
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := Parse(sql); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
