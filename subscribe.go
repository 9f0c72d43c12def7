package kalam

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"reflect"
	"strings"
	"sync/atomic"
	"time"

	"github.com/kalamgo/kalam/driver"
	"github.com/kalamgo/kalam/engine/sqlerr"
)

// Change is what happened to a row.
type Change string

// The kinds of changes.
const (
	Initial Change = "initial" // the row was there when the subscription began
	Insert  Change = "insert"  // it is new, or has come to meet the query's WHERE
	Update  Change = "update"
	Delete  Change = "delete" // it is gone, or does not meet the WHERE any more
)

// Event is a change of a row that a live query has.
type Event struct {
	Change Change
	// Seq is the number of the commit, in the order of commits over all tables: what
	// FromSeq takes. Rows that were there have that of the last commit before.
	Seq     uint64
	Last    bool     // nothing of the same commit follows; false of rows that were there
	Columns []string // names
	Values  []any    // as Rows.Scan has them for *any; of Delete, those that the row had
	// Old is what the row had before an Update or Delete; nil unless WithOld was given.
	Old []any
}

// Subscription is a live query. It is independent of the sql.DB's connections.
type Subscription struct {
	ctx    context.Context
	sub    *driver.Subscription
	stop   func() bool // no more closes it when ctx ends
	closed atomic.Bool
}

// SubscribeOption sets an option of Subscribe.
type SubscribeOption func(*driver.SubscribeOptions)

// LastRows delivers first the last n of the rows that are there, in the order of the
// primary key; 0: none. Without it all of them are delivered first.
func LastRows(n int64) SubscribeOption {
	return func(o *driver.SubscribeOptions) { n := max(n, 0); o.LastRows = &n }
}

// FromSeq delivers the changes after the one of this number, an Event's Seq, and not the
// rows that are there: what was missed after a disconnect or a restart. It fails with
// ErrChangesGone when they are not kept any more.
func FromSeq(seq uint64) SubscribeOption {
	return func(o *driver.SubscribeOptions) { o.FromSeq = &seq }
}

// Buffer is how many changes may wait in memory for a slow reader, 1,024 by default.
// Further ones are read from disk.
func Buffer(n int) SubscribeOption {
	return func(o *driver.SubscribeOptions) { o.Buffer = n }
}

// WithOld has events tell what rows were before.
func WithOld() SubscribeOption {
	return func(o *driver.SubscribeOptions) { o.Old = true }
}

// Subscribe begins a live query: it delivers the rows that a SELECT of one table has, and then
// each change of them, in the order of commits, once, until ctx ends, Close is called
// or the database is closed. The query may also be SUBSCRIBE TO …, which a mere name of a table
// needs; docs/live.md tells what queries can be live.
//
//	sub, err := kalam.Subscribe(ctx, db, "SELECT id, body FROM messages WHERE room = ?", []any{7}, kalam.LastRows(20))
//	…
//	defer sub.Close()
//	for ev, err := range sub.Events() {
//		if err != nil { return err }
//		…
//	}
//
// The user is that of ctx, see WithUser. Subscribe takes a connection of db only while it
// begins.
func Subscribe(ctx context.Context, db *sql.DB, query string, args []any, opts ...SubscribeOption) (*Subscription, error) {
	var o driver.SubscribeOptions
	for _, set := range opts {
		set(&o)
	}
	sub, err := driver.Subscribe(ctx, db, query, args, o)
	if err != nil {
		return nil, err
	}
	s := &Subscription{ctx: ctx, sub: sub}
	s.stop = context.AfterFunc(ctx, func() { sub.Close() })
	return s, nil
}

// Columns are the names of the query's columns.
func (s *Subscription) Columns() []string { return s.sub.Columns() }

// ColumnTypes are the names of the columns' types, as sql.ColumnType.DatabaseTypeName has
// them: "BIGINT", "JSON".
func (s *Subscription) ColumnTypes() []string { return s.sub.ColumnTypes() }

// ID returns what system.live_queries and KILL LIVE QUERY name the live query by.
func (s *Subscription) ID() string { return s.sub.ID() }

// Seq returns the number of the last commit before the live query began, that of
// Initial events: until a change comes it is what to go on after, see FromSeq.
func (s *Subscription) Seq() uint64 { return s.sub.Seq() }

// Events waits for events and yields them. It ends with an error, but after Close without
// one. Who leaves the loop may call it again and goes on where that was. Only one
// goroutine may read a subscription at a time.
func (s *Subscription) Events() iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		for {
			ev, err := s.next()
			if err != nil {
				if !s.closed.Load() {
					yield(Event{}, err)
				}
				return
			}
			if !yield(ev, nil) {
				return
			}
		}
	}
}

func (s *Subscription) next() (Event, error) {
	kind, seq, values, old, err := s.sub.Next(s.ctx)
	if err != nil {
		if cause := s.ctx.Err(); cause != nil {
			err = sqlerr.Interrupted.Wrap(cause, "Query execution was interrupted")
		}
		return Event{}, err
	}
	return Event{Change: Change(kind), Seq: seq, Last: s.sub.Last(), Columns: s.sub.Columns(), Values: values, Old: old}, nil
}

// Close ends the live query, and a loop over its Events. It is idempotent.
func (s *Subscription) Close() error {
	s.closed.Store(true)
	s.stop()
	return s.sub.Close()
}

// EventOf is an Event whose row was read into a struct.
type EventOf[T any] struct {
	Event
	Row T
	Old *T // see Event.Old
}

// EventsOf is Events that reads rows into structs: a column into the field whose tag `db`
// has its name, or whose own name it is, with capitals and underscores left aside. Columns
// without a field are an error, fields without a column stay zero. Fields have the types
// that Rows.Scan takes; pointers are nil for NULL.
func EventsOf[T any](s *Subscription) iter.Seq2[EventOf[T], error] {
	return func(yield func(EventOf[T], error) bool) {
		fields, err := fieldsOf[T](s.Columns())
		if err != nil {
			yield(EventOf[T]{}, err)
			return
		}
		for ev, err := range s.Events() {
			typed := EventOf[T]{Event: ev}
			if err == nil {
				err = fill(&typed.Row, fields, ev.Columns, ev.Values)
			}
			if err == nil && ev.Old != nil {
				typed.Old = new(T)
				err = fill(typed.Old, fields, ev.Columns, ev.Old)
			}
			if !yield(typed, err) || err != nil {
				return
			}
		}
	}
}

// Scan reads the values into what dest points to, as Rows.Scan does.
func (e *Event) Scan(dest ...any) error {
	if len(dest) != len(e.Values) {
		return fmt.Errorf("kalam: %d destinations for %d columns", len(dest), len(e.Values))
	}
	for i, d := range dest {
		v := reflect.ValueOf(d)
		if v.Kind() != reflect.Pointer || v.IsNil() {
			return fmt.Errorf("kalam: destination %d is no pointer", i+1)
		}
		if err := assign(v.Elem(), e.Values[i]); err != nil {
			return fmt.Errorf("kalam: column %s: %w", e.Columns[i], err)
		}
	}
	return nil
}

// fieldsOf finds the fields of T for columns.
func fieldsOf[T any](columns []string) ([][]int, error) {
	t := reflect.TypeFor[T]()
	if t.Kind() != reflect.Struct {
		return nil, fmt.Errorf("kalam: %v is no struct", t)
	}
	plain := func(name string) string { return strings.ToLower(strings.ReplaceAll(name, "_", "")) }
	fields := make([][]int, len(columns))
	for i, c := range columns {
		for _, f := range reflect.VisibleFields(t) {
			tag, tagged := f.Tag.Lookup("db")
			if f.IsExported() && !f.Anonymous && (tagged && tag == c || !tagged && plain(f.Name) == plain(c)) {
				fields[i] = f.Index
			}
		}
		if fields[i] == nil {
			return nil, fmt.Errorf("kalam: %v has no field for column %s", t, c)
		}
	}
	return fields, nil
}

func fill[T any](row *T, fields [][]int, columns []string, values []any) error {
	v := reflect.ValueOf(row).Elem()
	for i, f := range fields {
		field, err := fieldAt(v, f)
		if err == nil {
			err = assign(field, values[i])
		}
		if err != nil {
			return fmt.Errorf("kalam: column %s: %w", columns[i], err)
		}
	}
	return nil
}

// fieldAt returns a field of v; embedded structs that it is in are made where they are
// pointers.
func fieldAt(v reflect.Value, index []int) (reflect.Value, error) {
	for i, n := range index {
		if i > 0 && v.Kind() == reflect.Pointer {
			if v.IsNil() {
				if !v.CanSet() {
					return v, fmt.Errorf("the embedded %v is not exported", v.Type())
				}
				v.Set(reflect.New(v.Type().Elem()))
			}
			v = v.Elem()
		}
		v = v.Field(n)
	}
	return v, nil
}

// assign gives a value, as a driver returns it, to dst, as Rows.Scan would.
func assign(dst reflect.Value, v any) error {
	if s, ok := dst.Addr().Interface().(sql.Scanner); ok {
		return s.Scan(v)
	}
	if dst.Kind() == reflect.Pointer {
		if v == nil {
			dst.SetZero()
			return nil
		}
		dst.Set(reflect.New(dst.Type().Elem()))
		return assign(dst.Elem(), v)
	}
	switch dst.Addr().Interface().(type) {
	case *time.Time:
		return scan[time.Time](dst, v, func(t time.Time) { dst.Set(reflect.ValueOf(t)) })
	case *any:
		if v == nil {
			dst.SetZero()
		} else {
			dst.Set(reflect.ValueOf(v))
		}
		return nil
	}
	switch dst.Kind() {
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return scan(dst, v, dst.SetInt, func(n int64) bool { return !dst.OverflowInt(n) })
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return scan(dst, v, dst.SetUint, func(n uint64) bool { return !dst.OverflowUint(n) })
	case reflect.Float32, reflect.Float64:
		return scan(dst, v, dst.SetFloat)
	case reflect.Bool:
		return scan(dst, v, dst.SetBool)
	case reflect.String:
		return scan(dst, v, dst.SetString)
	case reflect.Slice:
		if dst.Type().Elem().Kind() == reflect.Uint8 {
			if v == nil {
				dst.SetZero()
				return nil
			}
			return scan(dst, v, dst.SetBytes)
		}
	}
	return fmt.Errorf("a %T cannot be read into a %v", v, dst.Type())
}

// scan converts v as Rows.Scan does and sets it, if it passes the checks.
func scan[T any](dst reflect.Value, v any, set func(T), checks ...func(T) bool) error {
	var n sql.Null[T]
	if err := n.Scan(v); err != nil {
		return err
	}
	if !n.Valid {
		return errors.New("NULL cannot be read into a " + dst.Type().String() + "; use a pointer")
	}
	for _, ok := range checks {
		if !ok(n.V) {
			return fmt.Errorf("%v is out of the range of %v", n.V, dst.Type())
		}
	}
	set(n.V)
	return nil
}
