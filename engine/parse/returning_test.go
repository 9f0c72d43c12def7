package parse

import (
	"testing"

	"vitess.io/vitess/go/vt/sqlparser"
)

func TestReturning(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		sql, ast, list string
		params         int
	}{
		{"insert into t values (1) returning a, b c", "insert into t values (1)", "a, b as c", 0},
		{"replace t (a) values (mid('x', 1)) Returning *", "replace into t(a) values (substr('x', 1))", "*", 0},
		{"update t set a = ?, b = ? where c = ? returning ? + a, ?", "update t set a = :v1, b = :v2 where c = :v3", ":v4 + a, :v5", 5},
		{"delete from t where a = :x returning :y, :x", "delete from t where a = :v1", ":v2, :v1", 2},
		{"with c as (select 1) delete from t where a in (select * from c) returning a", "with c as (select 1 from dual) delete from t where a in (select * from c)", "a", 0},
		{"insert into t select 1 from u for update returning a", "insert into t select 1 from u for update", "a", 0},
		{"insert into t values (json_value(a, '$' returning char)) returning (select returning from u limit 1)",
			"insert into t values (json_value(a, '$' returning char))", "(select `returning` from u limit 1)", 0},
		{"update returning set returning = 1", "update `returning` set `returning` = 1", "", 0},
		{"select returning from returning", "select `returning` from `returning`", "", 0},
	} {
		list, err := Parse(tt.sql)
		if err != nil {
			t.Errorf("%s: %v", tt.sql, err)
			continue
		}
		st, clause := list[0], ""
		if st.Returning != nil {
			clause = sqlparser.String(st.Returning.List)
		}
		if ast := sqlparser.String(st.AST); ast != tt.ast || clause != tt.list || st.Params != tt.params || st.SQL != tt.sql {
			t.Errorf("%s: %q returning %q, %d parameters", tt.sql, ast, clause, st.Params)
		}
	}
}
