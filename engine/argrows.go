package engine

import (
	"context"
	"fmt"
	"iter"
	"math"
	"runtime"
	"runtime/debug"
	"time"
	"unicode/utf8"
	"unsafe"

	"vitess.io/vitess/go/vt/sqlparser"

	"github.com/kalamgo/kalam/engine/parse"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/types"
)

// ExecRows runs an INSERT or REPLACE whose parameters are in VALUES once for each row
// of arguments, as one statement: all or none. Arguments are what types.FromGo takes; a row is
// done with when the next is asked for, which happens in another goroutine, ahead of the inserting.
// A column's arguments are of the types that its first ones have, or can be converted to them without
// loss; others are sqlerr.WrongArguments. Since the rows are had only once, a conflict that a
// statement would otherwise be run again for is an error (sqlerr.WriteConflict, LockDeadlock).
// Who yields the rows must not use the session.
func (s *Session) ExecRows(ctx context.Context, sql string, source iter.Seq2[[]any, error]) (r Result, err error) {
	prepared, err := s.adHoc(ctx, sql)
	if err != nil {
		return r, err
	}
	st := prepared.text.statements[0]
	if err := takesRows(prepared.text, st); err != nil {
		return r, err
	}
	if err := s.enter(); err != nil {
		return r, err
	}
	defer s.engine.leave()
	if err := s.become(ctx); err != nil {
		return r, err
	}
	running := s.process.begin(ctx, st.SQL, s.namespace, s.user)
	defer func() {
		s.process.end(s.namespace)
		running.stop()
	}()
	rows := newArgumentRows(source, st.Params, s.zone)
	defer rows.close()
	if err := rows.open(running); err != nil {
		return r, at(err, st)
	}
	r, _, err = s.run(running, st, arguments{types: rows.t, rows: rows})
	return r, at(err, st)
}

func takesRows(t *text, st *parse.Statement) error {
	n, ok := st.AST.(*sqlparser.Insert)
	switch {
	case !ok || len(t.statements) > 1 || st.Returning != nil:
		return sqlerr.Unsupported("rows of arguments for anything but one INSERT or REPLACE")
	case t.named || len(st.UserVariables) > 0:
		return sqlerr.Unsupported("rows of arguments with named parameters or @variables")
	}
	if _, ok := n.Rows.(sqlparser.Values); !ok || st.Params == 0 {
		return sqlerr.WrongArguments.New("The statement has no VALUES with parameters")
	}
	return nil
}

// argumentRows are rows of arguments, which a goroutine makes batches of while those before are
// inserted. The first ones decide the columns' types.
type argumentRows struct {
	source iter.Seq2[[]any, error]
	zone   *time.Location
	t      []types.Type // known when something is ready
	read   bool         // some are used

	ready  chan *types.Batch // closed at the end
	free   chan *types.Batch
	stop   chan struct{} // closed: no more are wanted
	err    error         // what ended the rows, once ready is closed
	exited bool          // runtime.Goexit did

	batch *types.Batch // what comes next, nil: not here yet

	// For the goroutine.
	filling *types.Batch // nil: the types are not known
	row     int          // the number of the last one that was had
	ahead   []argument   // the first rows, until the types are known
	bytes   int          // of those
}

// argument is one value.
type argument struct {
	t types.Type
	v types.Value
}

// batchesAhead is how many batches there are, of argumentBytes at most beside numbers and the last row: as
// many rows as a segment has are ready when the one before was made.
const (
	batchesAhead  = 16
	argumentBytes = types.BatchBytes / 8
)

func newArgumentRows(source iter.Seq2[[]any, error], params int, zone *time.Location) *argumentRows {
	a := &argumentRows{
		source: source, zone: zone, t: make([]types.Type, params),
		ready: make(chan *types.Batch, batchesAhead), free: make(chan *types.Batch, batchesAhead), stop: make(chan struct{}),
	}
	for i := range a.t {
		a.t[i] = types.NullType
	}
	return a
}

// open begins with the rows, and returns when their types are known.
func (a *argumentRows) open(ctx context.Context) error {
	go a.produce()
	return a.wait(ctx)
}

// wait waits for the next batch, and returns what ended the rows before it.
func (a *argumentRows) wait(ctx context.Context) error {
	if a.batch != nil {
		return nil
	}
	var more bool
	select {
	case a.batch, more = <-a.ready:
	case <-ctx.Done():
		return interrupted(ctx)
	}
	if !more && a.exited {
		runtime.Goexit()
	}
	if !more {
		return a.err
	}
	return nil
}

// close ends the rows, and returns when their goroutine has.
func (a *argumentRows) close() {
	close(a.stop)
	for range a.ready {
	}
}

// begun reports whether rows are used, which cannot be had again.
func (a *argumentRows) begun() bool { return a != nil && a.read }

// fill makes b, which is empty, the next rows; it stays empty at the end.
func (a *argumentRows) fill(ctx context.Context, b *types.Batch) error {
	a.read = true
	if err := a.wait(ctx); err != nil || a.batch == nil {
		return err
	}
	rows := a.batch
	a.batch = nil
	for i, v := range b.Columns {
		*v, *rows.Columns[i] = *rows.Columns[i], *v
	}
	b.Len = rows.Len
	rows.Reset()
	a.free <- rows
	return nil
}

// produce makes batches of the rows.
func (a *argumentRows) produce() {
	ended := false
	defer func() {
		if p := recover(); p != nil {
			a.err = sqlerr.Internal.Wrap(fmt.Errorf("%v\n%s", p, debug.Stack()), "The rows to insert failed: %v", p)
		} else {
			a.exited = !ended
		}
		close(a.ready)
	}()
	a.err = a.readAll()
	ended = true
}

func (a *argumentRows) readAll() error {
	for row, err := range a.source {
		if err != nil {
			return err
		}
		if a.stopped() {
			return nil
		}
		if a.row++; len(row) != len(a.t) {
			return sqlerr.WrongArguments.New("The statement has %d parameters, but row %d has %d arguments", len(a.t), a.row, len(row))
		}
		if a.filling == nil {
			if err := a.look(row); err != nil {
				return err
			}
			if a.row < types.BatchRows && a.bytes < batchesAhead*argumentBytes {
				continue
			}
			err = a.decide()
		} else {
			err = a.append(a.filling, row)
		}
		if err != nil {
			return err
		}
		if (a.filling.Len >= types.BatchRows || dataBytes(a.filling) >= argumentBytes) && !a.flush() {
			return nil
		}
	}
	if a.filling == nil {
		if err := a.decide(); err != nil {
			return err
		}
	}
	if a.filling.Len > 0 {
		a.flush()
	}
	return nil
}

// stopped reports whether no more rows are wanted.
func (a *argumentRows) stopped() bool {
	select {
	case <-a.stop:
		return true
	default:
		return false
	}
}

// flush hands over the batch that was filled, for an empty one. It returns false when no
// more rows are wanted.
func (a *argumentRows) flush() bool {
	select {
	case a.ready <- a.filling:
	case <-a.stop:
		return false
	}
	select {
	case a.filling = <-a.free:
		return true
	case <-a.stop:
		return false
	}
}

// look notes one of the first rows, and what types it has.
func (a *argumentRows) look(row []any) error {
	for i, x := range row {
		t, v, err := types.FromGo(x, a.zone)
		if err != nil {
			return err
		}
		a.t[i] = commonArgument(a.t[i], t)
		if t.Physical() == types.PhysBytes {
			v = v.Clone()
			a.bytes += len(v.Bytes())
		}
		a.ahead = append(a.ahead, argument{t, v})
	}
	return nil
}

// dataBytes returns how many bytes rows have beside numbers.
func dataBytes(b *types.Batch) (n int) {
	for _, v := range b.Columns {
		n += len(v.Data)
	}
	return n
}

// decide settles the types, and fills the first batch with the rows that were looked at.
func (a *argumentRows) decide() error {
	for i := range a.t {
		if a.t[i].Kind == types.Null {
			a.t[i] = types.TextType
		}
	}
	a.filling = types.NewBatch(a.t)
	for range batchesAhead - 1 {
		a.free <- types.NewBatch(a.t)
	}
	for n := 1; len(a.ahead) > 0; n++ {
		for i, v := range a.filling.Columns {
			if !appendArgument(v, a.ahead[i]) {
				return a.wrongType(n, i, a.ahead[i].t)
			}
		}
		a.filling.Len++
		a.ahead = a.ahead[len(a.t):]
	}
	a.ahead = nil
	return nil
}

// append adds a row to a batch.
func (a *argumentRows) append(b *types.Batch, row []any) error {
	for i, v := range b.Columns {
		if appendUsual(v, row[i]) {
			continue
		}
		t, x, err := types.FromGo(row[i], a.zone)
		if err != nil {
			return err
		}
		if !appendArgument(v, argument{t, x}) {
			return a.wrongType(a.row, i, t)
		}
	}
	b.Len++
	return nil
}

func (a *argumentRows) wrongType(row, i int, t types.Type) error {
	return sqlerr.WrongArguments.New("Argument %d of row %d is %s, those of the first rows are %s: give the values of a column one Go type", i+1, row, argumentKind(t), argumentKind(a.t[i]))
}

// commonArgument returns a type that takes arguments of both types.
func commonArgument(t, u types.Type) types.Type {
	switch {
	case t == u || u.Kind == types.Null:
		return t
	case t.Kind == types.Null:
		return u
	case t.IsInteger() && u.IsInteger():
		return types.Int64Type
	case t.IsNumeric() && u.IsNumeric():
		return types.Float64Type
	case t == types.BytesType && u == types.TextType, t == types.TextType && u == types.BytesType:
		return types.BytesType
	}
	return types.TextType
}

// appendUsual is appendArgument for values of Go's usual types in columns of just those.
func appendUsual(v *types.Vector, x any) bool {
	isInt := v.Type.Kind == types.BigInt && !v.Type.Unsigned
	switch x := x.(type) {
	case int:
		if isInt {
			v.AppendInt(int64(x))
			return true
		}
	case int64:
		if isInt {
			v.AppendInt(x)
			return true
		}
	case float64:
		if v.Type == types.Float64Type && x-x == 0 { // finite
			v.AppendFloat(x)
			return true
		}
	case string:
		if v.Type == types.TextType {
			v.AppendBytes(unsafe.Slice(unsafe.StringData(x), len(x)))
			return true
		}
	}
	return false
}

// maxExact is up to where all integers are float64s.
const maxExact = 1 << 53

// appendArgument adds an argument to a column. It returns false when its type does not
// have the value.
func appendArgument(v *types.Vector, a argument) bool {
	x, t := a.v, a.t
	if x.IsNull() || t == v.Type {
		v.AppendValue(x)
		return true
	}
	switch {
	case v.Type.IsInteger() && t.IsInteger():
		unsigned := v.Type.Physical() == types.PhysUint64
		switch {
		case unsigned == (x.Physical() == types.PhysUint64):
			v.AppendValue(x)
		case unsigned:
			if x.Int() < 0 {
				return false
			}
			v.AppendValue(types.NewUint(uint64(x.Int())))
		default:
			if x.Uint() > math.MaxInt64 {
				return false
			}
			v.AppendValue(types.NewInt(int64(x.Uint())))
		}
	case v.Type == types.Float64Type && t.IsInteger():
		if x.Physical() == types.PhysUint64 {
			if x.Uint() > maxExact {
				return false
			}
			v.AppendValue(types.NewFloat(float64(x.Uint())))
		} else {
			if x.Int() > maxExact || x.Int() < -maxExact {
				return false
			}
			v.AppendValue(types.NewFloat(float64(x.Int())))
		}
	case v.Type == types.BytesType && t == types.TextType:
		v.AppendBytes(x.Bytes())
	case v.Type == types.TextType:
		text := types.AppendText(nil, t, x)
		if t == types.BytesType && !utf8.Valid(text) {
			return false
		}
		v.AppendBytes(text)
	default:
		return false
	}
	return true
}

func argumentKind(t types.Type) string {
	switch {
	case t.IsInteger():
		return "an integer"
	case t == types.Float64Type:
		return "a float"
	case t == types.TextType:
		return "a string"
	case t == types.BytesType:
		return "bytes"
	case t == types.JSONType:
		return "JSON"
	}
	return "a time"
}
