package tables

import (
	"context"
	"go/parser"
	"go/token"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kalamgo/kalam/engine/expr"
	"github.com/kalamgo/kalam/engine/plan"
	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/sqlmeta"
	"github.com/kalamgo/kalam/engine/store"
	"github.com/kalamgo/kalam/engine/types"
)

// recorder is a user's table that notes what is asked of it.
type recorder struct {
	store.Table
	calls *[]string
}

func (r recorder) note(what string, rows int) {
	*r.calls = append(*r.calls, what+" "+strconv.Itoa(rows))
}

func (r recorder) Insert(ctx context.Context, rows *types.Batch) (*store.Conflict, error) {
	r.note("insert", rows.Len)
	return r.Table.Insert(ctx, rows)
}

func (r recorder) Update(ctx context.Context, old, new *types.Batch) (*store.Conflict, error) {
	r.note("update", new.Len)
	return r.Table.Update(ctx, old, new)
}

func (r recorder) Delete(ctx context.Context, rows *types.Batch) error {
	r.note("delete", rows.Len)
	return r.Table.Delete(ctx, rows)
}

// throughStore runs a handler on a user table whose store notes what it is asked; the
// system tables stay as they are.
func throughStore(t *testing.T, want []string, rows []string, handlers ...plan.Node) {
	t.Helper()
	t.Parallel()
	s := newSession(t)
	var calls []string
	s.rt.Table = func(d *schema.Table) (store.Table, error) { return recorder{s.tx.User(d, "ann"), &calls}, nil }
	for _, n := range handlers {
		if _, err := Run(t.Context(), s.rt, n); err != nil {
			t.Fatal(err)
		}
	}
	if d := cmp.Diff(want, calls); d != "" {
		t.Errorf("the store is asked (-want +got):\n%s", d)
	}
	if d := cmp.Diff(rows, s.rows(scanAll(handled))); d != "" {
		t.Errorf("ann has (-want +got):\n%s", d)
	}
	s.rt.Table = func(d *schema.Table) (store.Table, error) { return s.tx.User(d, "bob"), nil }
	if left := s.rows(scanAll(handled)); len(left) > 0 {
		t.Errorf("bob has %q", left)
	}
	n := 0
	if err := sqlmeta.Tables.ScanAll(t.Context(), s.tx, func(*sqlmeta.Table) error { n++; return nil }); n > 0 || err != nil {
		t.Errorf("%d records of tables, %v", n, err)
	}
}

var handled = func() *schema.Table {
	t := table(77, []int{0}, []schema.Column{{Name: "id", Type: intT, NotNull: true}, {Name: "n", Type: intT}})
	t.Kind = schema.User
	return t
}()

func insertion() plan.Node {
	v := &plan.Values{T: []types.Type{types.Int64Type, types.Int64Type}}
	for i := range 3 {
		v.Rows = append(v.Rows, []expr.Expr{literal(i + 1), literal(10 * (i + 1))})
	}
	return &plan.Insert{Table: handled, Input: v, Columns: []int{0, 1}, Defaults: make([]expr.Expr, 2), Mode: plan.InsertPlain}
}

// The three handlers of user tables reach storage through package store alone.

func TestInsertHandlerThroughStore(t *testing.T) {
	throughStore(t, []string{"insert 3"}, []string{"1|10", "2|20", "3|30"}, insertion())
}

func TestUpdateHandlerThroughStore(t *testing.T) {
	throughStore(t, []string{"insert 3", "update 3"}, []string{"1|7", "2|7", "3|7"}, insertion(),
		&plan.Update{Table: handled, Input: scanAll(handled), Set: []plan.Assignment{{Column: 1, Value: literal(7)}}})
}

func TestDeleteHandlerThroughStore(t *testing.T) {
	throughStore(t, []string{"insert 3", "delete 3"}, nil, insertion(), &plan.Delete{Table: handled, Input: scanAll(handled)})
}

// TestHandlersAndProvidersApart checks by their imports that what changes rows of
// tables knows nothing of the system tables' records, and that the providers of
// system tables know no keys.
func TestHandlersAndProvidersApart(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) == 0 {
		t.Fatal(err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		provider := file == "system.go" || file == "systemtables.go"
		for _, i := range f.Imports {
			path, _ := strconv.Unquote(i.Path.Value)
			switch {
			case strings.HasSuffix(path, "engine/sqlmeta") && !provider:
				t.Errorf("%s imports %s", file, path)
			case strings.Contains(path, "engine/store/"):
				t.Errorf("%s imports %s", file, path)
			}
		}
	}
}

// The providers of four system tables through sqlmeta alone: records that only it
// has written are rows, and are none once it has removed them.

func TestUsersProvider(t *testing.T) {
	provider(t, sqlmeta.Users, &sqlmeta.User{ID: "u", Name: "n", Role: "dba"}, "u", "u|n|dba|NULL|0|NULL|NULL|NULL")
}

func TestStorageLocationsProvider(t *testing.T) {
	provider(t, sqlmeta.StorageLocations, &sqlmeta.StorageLocation{ID: "s", Name: "n", Kind: "filesystem", URI: "/x"}, "s", "s|n|filesystem|/x|NULL|NULL|0|NULL|NULL")
}

// Live queries end with the process: sqlmeta has their type, and they are in memory.
func TestLiveQueriesProvider(t *testing.T) {
	t.Parallel()
	s := newSession(t)
	s.live = []sqlmeta.LiveQuery{{ID: "q", User: "u", Namespace: "n", Table: "t", Query: "s"}}
	s.wantRows(System(SystemNamespace, "live_queries"), "q|u|0|n|t|s|NULL|0|0|NULL|NULL")
	s.live = nil
	if left := s.rows(scanAll(System(SystemNamespace, "live_queries"))); len(left) > 0 {
		t.Errorf("%q are left", left)
	}
}

func TestJobsProvider(t *testing.T) {
	provider(t, sqlmeta.Jobs, &sqlmeta.Job{ID: 5, Kind: "k", State: sqlmeta.JobFailed, Error: "e"}, uint64(5), "5|k|failed|NULL|NULL|NULL|0|NULL|e|NULL|NULL|NULL|NULL")
}

func provider[K, R any](t *testing.T, records *sqlmeta.Records[K, R], r *R, key K, want string) {
	t.Helper()
	t.Parallel()
	s := newSession(t)
	if err := records.Insert(t.Context(), s.tx, r); err != nil {
		t.Fatal(err)
	}
	of := System(SystemNamespace, records.Name())
	s.wantRows(of, want)
	if err := records.Delete(t.Context(), s.tx, key); err != nil {
		t.Fatal(err)
	}
	if left := s.rows(scanAll(of)); len(left) > 0 {
		t.Errorf("%q are left", left)
	}
}
