package tables

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kalamgo/kalam/engine/expr"
	"github.com/kalamgo/kalam/engine/plan"
	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/sqlmeta"
)

func TestSystemRows(t *testing.T) {
	t.Parallel()
	s := newSession(t)
	ctx := t.Context()
	at := time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC)
	for _, err := range []error{
		sqlmeta.Users.Insert(ctx, s.tx, &sqlmeta.User{ID: "u1", Name: "ann", Role: "dba", Created: at, Updated: at}),
		sqlmeta.Namespaces.Insert(ctx, s.tx, &sqlmeta.Namespace{ID: 7, Name: "app", Options: map[string]string{"b": "2", "a": "1"}, Created: at}),
		sqlmeta.Tables.Insert(ctx, s.tx, &sqlmeta.Table{ID: 1001, Namespace: "app", Name: "t", Kind: schema.User, SchemaVersion: 2, Created: at}),
		sqlmeta.TableSchemas.Insert(ctx, s.tx, &sqlmeta.TableSchema{TableID: 1001, Version: 2, Schema: &schema.Table{ID: 1001, Name: "t"}, Created: at}),
		sqlmeta.StorageLocations.Insert(ctx, s.tx, &sqlmeta.StorageLocation{ID: "cold", Name: "Cold", Kind: "filesystem", URI: "/cold"}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	s.live = []sqlmeta.LiveQuery{{ID: "q", User: "u1", Connection: 3, Namespace: "app", Table: "t", Query: "SELECT 1", Changes: 4, Depth: 2, Created: at}}
	for id := range uint64(5) {
		if err := sqlmeta.Jobs.Insert(ctx, s.tx, &sqlmeta.Job{ID: id + 1, Kind: "purge", State: sqlmeta.JobRunning}); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]string{
		"users":             "u1|ann|dba|NULL|0|2026-01-02 03:04:05.000006|2026-01-02 03:04:05.000006|NULL",
		"namespaces":        `7|app|NULL|{"a": "1", "b": "2"}|2026-01-02 03:04:05.000006|NULL`,
		"tables":            "1001|app|t|user|2|NULL|NULL|NULL|2026-01-02 03:04:05.000006|NULL",
		"storage_locations": "cold|Cold|filesystem|/cold|NULL|NULL|0|NULL|NULL",
		"live_queries":      "q|u1|3|app|t|SELECT 1|NULL|4|2|2026-01-02 03:04:05.000006|NULL",
	} {
		s.wantRows(System(SystemNamespace, name), want)
	}
	if got := s.rows(scanAll(System(SystemNamespace, "table_schemas"))); len(got) != 1 {
		t.Errorf("table_schemas: %q", got)
	}
	jobs := System(SystemNamespace, "jobs")
	bound := func(n int) []expr.Expr { return []expr.Expr{literal(n)} }
	for _, c := range []struct {
		scan plan.Scan
		want []string
	}{
		{plan.Scan{}, []string{"1", "2", "3", "4", "5"}},
		{plan.Scan{Reverse: true, Limit: literal(2)}, []string{"5", "4"}},
		{plan.Scan{Ranges: []plan.Range{{Low: bound(2), High: bound(4), HighExclusive: true}}}, []string{"2", "3"}},
		{plan.Scan{Ranges: []plan.Range{{Low: bound(4), LowExclusive: true}, {High: bound(1)}}}, []string{"1", "5"}},
		{plan.Scan{Ranges: []plan.Range{{Low: bound(9), High: bound(9)}}}, nil},
	} {
		c.scan.Table, c.scan.Columns = jobs, []int{0}
		if d := cmp.Diff(c.want, s.rows(&c.scan)); d != "" {
			t.Errorf("%+v (-want +got):\n%s", c.scan, d)
		}
	}
}
