package store

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/store/kv"
	"github.com/kalamgo/kalam/engine/types"
)

// check returns the problems of a table, one a line.
func check(t *testing.T, db *DB, table *schema.Table, o CheckOptions) string {
	t.Helper()
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Close()
	var lines []string
	o.Report = func(p Problem) { lines = append(lines, p.String()) }
	if _, err := Check(ctx, tx, table, o); err != nil {
		t.Fatal(err)
	}
	return strings.Join(lines, "\n")
}

// planted returns a database with rows in table, of two users if it has users,
// and the pairs of its index by key prefix.
func planted(t *testing.T, table *schema.Table) *DB {
	t.Helper()
	db := newDB(t)
	tx := begin(t, db)
	rows := batch(table, []any{1, "ann", 30, "x", 1.5}, []any{2, "bob", nil, "y", nil}, []any{3, nil, 40, nil, 2.5})
	switch table.Kind {
	case schema.Shared:
		mustInsert(t, tx.Shared(table), rows)
	default:
		mustInsert(t, tx.User(table, "u1"), rows)
		mustInsert(t, tx.User(table, "u2"), rows)
	}
	commit(t, tx)
	tx.Close()
	return db
}

// pairs returns what is kept under an index id.
func pairs(t *testing.T, db *DB, table *schema.Table, id uint32) (keys, values [][]byte) {
	t.Helper()
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Close()
	err = eachPair(ctx, tx, spaceOf(table), appendPrefix(nil, table.ID, id, nil), func(k, v []byte) error {
		keys, values = append(keys, bytes.Clone(k)), append(values, bytes.Clone(v))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return keys, values
}

// damages are changes behind the store's back, each with what must be found.
var damages = []struct {
	name  string
	plant func(t *testing.T, db *DB, table *schema.Table, b *kv.Batch)
	want  string
}{
	{"missing entry", func(t *testing.T, db *DB, table *schema.Table, b *kv.Batch) {
		keys, _ := pairs(t, db, table, 1)
		b.Delete(kv.Data, keys[1])
	}, "Index 'by_email' lacks the entry of row"},
	{"missing repeatable entry", func(t *testing.T, db *DB, table *schema.Table, b *kv.Batch) {
		keys, _ := pairs(t, db, table, 2|repeatable)
		b.Delete(kv.Data, keys[0])
	}, "Index 'by_age' lacks the entry of row"},
	{"dangling entry", func(t *testing.T, db *DB, table *schema.Table, b *kv.Batch) {
		keys, _ := pairs(t, db, table, 0)
		b.Delete(kv.Data, keys[0])
	}, "Index 'by_email' has an entry without row"},
	{"entry of another key", func(t *testing.T, db *DB, table *schema.Table, b *kv.Batch) {
		keys, values := pairs(t, db, table, 1)
		moved := bytes.Replace(keys[1], []byte("ann"), []byte("anne"), 1)
		b.Delete(kv.Data, keys[1])
		b.Put(kv.Data, moved, values[1])
	}, "has an entry that row"},
	{"wrong entry value", func(t *testing.T, db *DB, table *schema.Table, b *kv.Batch) {
		keys, values := pairs(t, db, table, 1)
		b.Put(kv.Data, keys[1], values[2])
	}, "Index 'by_email' has a wrong value for row"},
	{"undecodable entry", func(t *testing.T, db *DB, table *schema.Table, b *kv.Batch) {
		keys, _ := pairs(t, db, table, 2|repeatable)
		b.Put(kv.Data, append(keys[0], 7), nil)
		b.Put(kv.Data, keys[0][:len(keys[0])-3], nil)
	}, "Index 'by_age' has an entry that can't be read"},
	{"undecodable row", func(t *testing.T, db *DB, table *schema.Table, b *kv.Batch) {
		keys, values := pairs(t, db, table, 0)
		b.Put(kv.Data, keys[0], values[0][:len(values[0])/2])
	}, "Row can't be read: malformed row"},
	{"row of a foreign format", func(t *testing.T, db *DB, table *schema.Table, b *kv.Batch) {
		keys, _ := pairs(t, db, table, 0)
		b.Put(kv.Data, keys[0], []byte("hello"))
	}, "Row can't be read: malformed row"},
	{"undecodable row key", func(t *testing.T, db *DB, table *schema.Table, b *kv.Batch) {
		keys, values := pairs(t, db, table, 0)
		b.Put(kv.Data, append(bytes.Clone(keys[0]), 9), values[0])
	}, "Row can't be read: row under another key than its own"},
	{"wrong schema version", func(t *testing.T, db *DB, table *schema.Table, b *kv.Batch) {
		keys, values := pairs(t, db, table, 0)
		v := bytes.Clone(values[0])
		v[1] = 9
		b.Put(kv.Data, keys[0], v)
	}, "Row has schema version 9; the table has 1"},
	{"columns of another version", func(t *testing.T, db *DB, table *schema.Table, b *kv.Batch) {
		other := *table
		other.Columns = append([]schema.Column(nil), table.Columns...)
		other.Columns = append(other.Columns, schema.Column{ID: 6, Name: "more", Type: types.Int64Type})
		row, err := newLayout(&other).appendRow(nil, batch(&other, []any{1, "ann", 30, "x", 1.5, 7}), 0, 0)
		if err != nil {
			t.Fatal(err)
		}
		keys, _ := pairs(t, db, table, 0)
		b.Put(kv.Data, keys[0], row)
	}, "Row hasn't the columns of its schema version 1"},
	{"NULL in a NOT NULL column", func(t *testing.T, db *DB, table *schema.Table, b *kv.Batch) {
		other := *table
		other.Columns = append([]schema.Column(nil), table.Columns...)
		other.Columns[4].NotNull = true
		*table = other // before the store has seen it
	}, "Column 'weight' is NULL"},
	{"duplicate unique keys", func(t *testing.T, db *DB, table *schema.Table, b *kv.Batch) {
		keys, _ := pairs(t, db, table, 0)
		row, err := newLayout(table).appendRow(nil, batch(table, []any{2, "ann", nil, "y", nil}), 0, 0)
		if err != nil {
			t.Fatal(err)
		}
		b.Put(kv.Data, keys[1], row)
	}, "Duplicate entry: rows"},
	{"counter behind", func(t *testing.T, db *DB, table *schema.Table, b *kv.Batch) {
		p := sequencePrefix(table.ID, 1, nil)
		b.DeleteRange(kv.Meta, p, edge(p, true))
	}, "The counter of column 'id' is 0; there is a row with 3"},
	{"entries of no index", func(t *testing.T, db *DB, table *schema.Table, b *kv.Batch) {
		b.Put(kv.Data, append(appendPrefix(nil, table.ID, 77, nil), "left over"...), nil)
	}, "There are keys of number 0x0000004d"},
}

func TestCheckFindsDamage(t *testing.T) {
	t.Parallel()
	for _, kind := range []schema.TableKind{schema.Shared, schema.User} {
		for _, d := range damages {
			t.Run(fmt.Sprint(kind, "/", d.name), func(t *testing.T) {
				t.Parallel()
				table := people(kind)
				db := planted(t, table)
				if got := check(t, db, table, CheckOptions{Extended: true}); got != "" {
					t.Fatalf("whole: %s", got)
				}
				changed := people(kind)
				var b kv.Batch
				d.plant(t, db, changed, &b)
				if err := db.write(ctx, &b, kv.Sync); err != nil {
					t.Fatal(err)
				}
				for _, extended := range []bool{false, true} {
					got := check(t, db, changed, CheckOptions{Extended: extended})
					if !strings.Contains(got, d.want) {
						t.Errorf("extended %v: %q, want %q", extended, got, d.want)
					}
					if kind == schema.User && d.name == "missing entry" && !strings.Contains(got, `user "u1"`) {
						t.Errorf("no user in %q", got)
					}
				}
			})
		}
	}
}

func TestCheckQuick(t *testing.T) {
	t.Parallel()
	table := people(schema.Shared)
	db := planted(t, table)
	if got := check(t, db, table, CheckOptions{Quick: true}); got != "" {
		t.Fatal(got)
	}
	keys, _ := pairs(t, db, table, 2|repeatable)
	var b kv.Batch
	b.Delete(kv.Data, keys[0])
	if err := db.write(ctx, &b, kv.Sync); err != nil {
		t.Fatal(err)
	}
	if got, want := check(t, db, table, CheckOptions{Quick: true}), "Index 'by_age' has 2 entries, the table 3 rows"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// Many rows: several chunks, and a fingerprint that takes them all.
func TestCheckLarge(t *testing.T) {
	t.Parallel()
	table := people(schema.Shared)
	db := newDB(t)
	tx := begin(t, db)
	for from := 0; from < 20_000; from += 1000 {
		var rows [][]any
		for i := range 1000 {
			rows = append(rows, []any{from + i + 1, fmt.Sprint("m", from+i), i, strings.Repeat("n", i%50), nil})
		}
		mustInsert(t, tx.Shared(table), batch(table, rows...))
	}
	commit(t, tx)
	for _, o := range []CheckOptions{{}, {Quick: true}, {Extended: true}} {
		if got := check(t, db, table, o); got != "" {
			t.Errorf("%+v: %s", o, got)
		}
	}
	keys, _ := pairs(t, db, table, 1)
	var b kv.Batch
	b.Delete(kv.Data, keys[12_345])
	if err := db.write(ctx, &b, kv.Sync); err != nil {
		t.Fatal(err)
	}
	if got := check(t, db, table, CheckOptions{}); strings.Count(got, "\n") != 0 || !strings.Contains(got, "lacks the entry") {
		t.Errorf("got %q", got)
	}
}

func TestSetAside(t *testing.T) {
	t.Parallel()
	table := people(schema.User)
	db := planted(t, table)
	keys, values := pairs(t, db, table, 0)
	var b kv.Batch
	b.Put(kv.Data, keys[4], values[4][:9])
	p := sequencePrefix(table.ID, 1, nil)
	b.DeleteRange(kv.Meta, p, edge(p, true))
	b.Put(kv.Data, append(appendPrefix(nil, table.ID, 99, nil), 1), nil)
	if err := db.write(ctx, &b, kv.Sync); err != nil {
		t.Fatal(err)
	}
	tx := begin(t, db)
	var got []string
	report := func(p Problem) { got = append(got, p.String()) }
	if err := SetAside(ctx, tx, table, report); err != nil {
		t.Fatal(err)
	}
	if err := RaiseSequences(ctx, tx, table); err != nil {
		t.Fatal(err)
	}
	if err := DropLeftovers(ctx, tx, table); err != nil {
		t.Fatal(err)
	}
	commit(t, tx)
	want := fmt.Sprintf(`Row was set aside: malformed row; its bytes are %x, key 018000000000000002 of PRIMARY, user "u2"`, values[4][:9])
	if len(got) != 1 || got[0] != want {
		t.Errorf("got %q, want %q", got, want)
	}
	aside, _ := pairs(t, db, table, setAside)
	if len(aside) != 1 || !bytes.Equal(aside[0][prefixBytes:], keys[4][prefixBytes:]) {
		t.Errorf("set aside: %x", aside)
	}
	// What is left is to build the indexes again.
	left := check(t, db, table, CheckOptions{})
	for _, line := range strings.Split(left, "\n") {
		if !strings.Contains(line, "has an entry without row") {
			t.Error(line)
		}
	}
	if n := binary.BigEndian.Uint32(aside[0][4:]); n != setAside {
		t.Error(n)
	}
}
