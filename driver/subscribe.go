package driver

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"time"

	"github.com/kalamgo/kalam/engine"
	"github.com/kalamgo/kalam/engine/types"
)

// SubscribeOptions are what the options of kalam.Subscribe set.
type SubscribeOptions = engine.SubscribeOptions

// Subscription is a live query; kalam.Subscription wraps it.
type Subscription struct {
	sub     *engine.Subscription
	columns []string
	types   []string
	zone    *time.Location
	old     bool

	batch *types.Batch
	next  int // row of batch
}

// Subscribe is kalam.Subscribe. It needs a connection of db only to begin.
func Subscribe(ctx context.Context, db *sql.DB, query string, args []any, o SubscribeOptions) (s *Subscription, err error) {
	err = withConn(ctx, db, func(c *conn) error {
		values := make([]driver.NamedValue, len(args))
		for i, a := range args {
			values[i] = driver.NamedValue{Ordinal: i + 1, Value: a}
			if n, ok := a.(sql.NamedArg); ok {
				values[i].Name, values[i].Value = n.Name, n.Value
			}
			if err := c.CheckNamedValue(&values[i]); err != nil {
				return err
			}
		}
		params, err := c.args(values)
		if err != nil {
			return err
		}
		sub, err := c.session.Subscribe(ctx, query, append([]engine.Arg(nil), params...), o)
		if err != nil {
			return err
		}
		s = &Subscription{sub: sub, zone: c.session.Zone()}
		for _, column := range sub.Columns()[2:] {
			s.columns, s.types = append(s.columns, column.Name), append(s.types, column.Type.Name())
		}
		s.old = sub.Old()
		if s.old {
			s.columns, s.types = s.columns[:len(s.columns)/2], s.types[:len(s.types)/2]
		}
		return nil
	})
	return s, err
}

// Columns are the names of the query's columns.
func (s *Subscription) Columns() []string { return s.columns }

// ColumnTypes are the names of the columns' types.
func (s *Subscription) ColumnTypes() []string { return s.types }

// ID returns what KILL LIVE QUERY names the live query by.
func (s *Subscription) ID() string { return s.sub.ID() }

// Seq returns the number of the last commit before it began.
func (s *Subscription) Seq() uint64 { return s.sub.Seq() }

// Next waits for the next change and returns its kind and number, and the values of the
// query's columns; with SubscribeOptions.Old those from before, too, nil when there are
// none.
func (s *Subscription) Next(ctx context.Context) (kind string, seq uint64, values, old []any, err error) {
	for s.batch == nil || s.next >= s.batch.Len {
		if s.batch, err = s.sub.Next(ctx); err != nil {
			s.batch = nil
			return "", 0, nil, nil, err
		}
		s.next = 0
	}
	row, width := s.next, len(s.columns)
	s.next++
	get := func(from int) []any {
		list := make([]any, width)
		for i := range list {
			c := s.batch.Columns[from+i]
			list[i] = types.Go(c.Type, c.Value(row), s.zone)
		}
		return list
	}
	kind, seq = string(s.batch.Columns[0].BytesAt(row)), s.batch.Columns[1].Uint64s[row]
	values = get(2)
	if s.old && (kind == "update" || kind == "delete") {
		old = get(2 + width)
	}
	return kind, seq, values, old, nil
}

// Last reports whether what Next returned is the last change of its commit.
func (s *Subscription) Last() bool {
	return s.batch != nil && s.next == s.batch.Len && s.sub.Whole()
}

// Close ends the live query. Next returns sqlerr.Closed then, also one that waits.
func (s *Subscription) Close() error { return s.sub.Close() }
