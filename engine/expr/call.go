package expr

import (
	"bytes"
	"context"
	"encoding/hex"
	"strconv"
	"strings"
	"sync"
	"time"

	"vitess.io/vitess/go/mysql/collations/colldata"
	"vitess.io/vitess/go/mysql/decimal"
	"vitess.io/vitess/go/sqltypes"
	vtrpcpb "vitess.io/vitess/go/vt/proto/vtrpc"
	"vitess.io/vitess/go/vt/sqlparser"
	"vitess.io/vitess/go/vt/vtenv"
	"vitess.io/vitess/go/vt/vterrors"
	"vitess.io/vitess/go/vt/vtgate/evalengine"

	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/types"
)

// vitess is evalengine's environment: MySQL 8 and its collations.
var vitess = sync.OnceValue(func() *vtenv.Environment {
	env, err := vtenv.New(vtenv.Options{MySQLServerVersion: "8.0.40"})
	if err != nil {
		panic(err) // the version is a constant
	}
	return env
})

// program is a Call, with the Calls among its operands, as one evalengine
// expression. It is immutable.
type program struct {
	expr   evalengine.Expr
	inputs []Expr // Offset i of expr
	where  []int  // a function of lengths' arguments among inputs; -1: a literal
	vm     bool   // compiled; otherwise its tree is walked
}

type programCache struct {
	once sync.Once
	p    *program
	err  error
}

// program returns e's compiled form, made when it is first asked for.
func (e *Call) program() (*program, error) {
	e.cache.once.Do(func() { e.cache.p, e.cache.err = newProgram(e) })
	return e.cache.p, e.cache.err
}

func newProgram(e *Call) (p *program, err error) {
	defer recoverInternal(&err)
	p = &program{}
	tree := p.fuse(e)
	cfg := &evalengine.Config{
		Collation:   types.DefaultCollation,
		Environment: vitess(),
		// Folding would read the process's time zone and report errors of rows
		// that are never reached.
		NoConstantFolding: true,
		ResolveType: func(e sqlparser.Expr) (evalengine.Type, bool) {
			o, ok := e.(*sqlparser.Offset)
			if !ok {
				return evalengine.Type{}, false
			}
			in := p.inputs[o.V]
			return vitessType(in.Type(), in.Nullable()), true
		},
	}
	p.expr, err = evalengine.Translate(tree, cfg)
	if err == nil {
		_, p.vm = p.expr.(*evalengine.CompiledExpr)
		return p, nil
	}
	// What cannot be compiled, like a JSON path that is no literal, may still
	// be evaluated as a tree.
	cfg.NoCompilation = true
	tree2, err2 := evalengine.Translate(tree, cfg)
	if err2 != nil {
		return nil, callError(e.Name, err)
	}
	p.expr = tree2
	return p, nil
}

// fuse returns e's syntax tree with its operands in their places: nested Calls
// and literals as they are, others as inputs. Functions of lengths stand alone, for
// the lengths of their arguments and results are to be seen.
func (p *program) fuse(e *Call) sqlparser.Expr {
	alone := lengths[e.Name] != nil
	if alone {
		p.where = make([]int, len(e.Args))
	}
	return replaceOffsets(e.tmpl, func(i int) sqlparser.Expr {
		arg := e.Args[i]
		switch a := arg.(type) {
		case *Call:
			if a.native == nil && !alone && lengths[a.Name] == nil && !a.movesDate() {
				return p.fuse(a)
			}
		case *Literal:
			if lit := literalSyntax(a); lit != nil {
				if alone {
					p.where[i] = -1
				}
				return lit
			}
		}
		if alone {
			p.where[i] = len(p.inputs)
		}
		p.inputs = append(p.inputs, arg)
		in := &sqlparser.Offset{V: len(p.inputs) - 1}
		return &sqlparser.Offset{V: in.V, Original: in}
	})
}

func replaceOffsets(tree sqlparser.Expr, with func(int) sqlparser.Expr) sqlparser.Expr {
	return sqlparser.CopyOnRewrite(tree, nil, func(c *sqlparser.CopyOnWriteCursor) {
		if o, ok := c.Node().(*sqlparser.Offset); ok {
			c.Replace(with(o.V))
		}
	}, nil).(sqlparser.Expr)
}

// literalSyntax returns a literal as syntax, nil if there is none that keeps its type.
func literalSyntax(l *Literal) sqlparser.Expr {
	if l.Value.IsNull() {
		return &sqlparser.NullVal{}
	}
	switch {
	case l.T == types.BoolType:
		return sqlparser.BoolVal(l.Value.Int() != 0)
	case l.T == types.Int64Type && l.Value.Int() >= 0, l.T == types.Uint64Type && l.Value.Uint() > 1<<63-1:
		return sqlparser.NewIntLiteral(strconv.FormatUint(l.Value.Uint(), 10))
	case l.T.Kind == types.VarChar && l.T.Collation == types.DefaultCollation:
		return sqlparser.NewStrLiteral(string(l.Value.Bytes()))
	case l.Hex:
		return sqlparser.NewHexLiteral(hex.EncodeToString(l.Value.Bytes()))
	}
	return nil
}

// vitessType returns evalengine's type of an input of type t.
func vitessType(t types.Type, nullable bool) evalengine.Type {
	size, scale := int32(0), int32(0)
	if t.Kind == types.Decimal {
		size, scale = int32(t.Size), int32(t.Scale)
	} else if t.IsTemporal() {
		size = int32(t.Scale)
	}
	kind, coll := vitessKind(t), t.Collation
	if kind == sqltypes.VarChar && !hasCollation(t) {
		coll = types.DefaultCollation
	}
	return evalengine.NewTypeEx(kind, coll, nullable, size, scale, nil)
}

func vitessKind(t types.Type) sqltypes.Type {
	switch t.Physical() {
	case types.PhysNull:
		return sqltypes.Null
	case types.PhysFloat64:
		return sqltypes.Float64
	}
	switch {
	case t.Kind == types.Decimal:
		return sqltypes.Decimal
	case t.IsInteger() || t.Kind == types.Bit || t.Kind == types.Year:
		if t.Physical() == types.PhysUint64 {
			return sqltypes.Uint64
		}
		return sqltypes.Int64
	case t.IsBinary():
		return sqltypes.VarBinary
	}
	switch t.Kind {
	case types.Date:
		return sqltypes.Date
	case types.Time:
		return sqltypes.Time
	case types.DateTime, types.Timestamp:
		return sqltypes.Datetime
	case types.JSON:
		return sqltypes.TypeJSON
	}
	return sqltypes.VarChar
}

// resultType returns the type that evalengine derives for e.
func (e *Call) resultType() (t types.Type, nullable bool, err error) {
	defer recoverInternal(&err)
	p, err := e.program()
	if err != nil {
		return t, false, err
	}
	if !p.vm {
		return types.JSONType, true, nil
	}
	vt, err := newVitessEnv(&Env{}).TypeOf(p.expr)
	if err != nil {
		return t, false, callError(e.Name, err)
	}
	nullable = vt.Nullable()
	switch k := vt.Type(); {
	case sqltypes.IsNull(k):
		return types.NullType, true, nil
	case sqltypes.IsSigned(k):
		t = types.Int64Type
	case sqltypes.IsUnsigned(k):
		t = types.Uint64Type
	case sqltypes.IsFloat(k):
		t = types.Float64Type
	case sqltypes.IsDecimal(k):
		t = decimalType(maxPrecision, max(int(vt.Scale()), 0))
		if vt.Size() > 0 {
			t = decimalType(int(vt.Size()), int(vt.Scale()))
		}
	case k == sqltypes.TypeJSON:
		t = types.JSONType
	case k == sqltypes.Date:
		t = temporalType(types.Date, 0)
	case k == sqltypes.Time:
		t = temporalType(types.Time, int(vt.Size()))
	case k == sqltypes.Datetime || k == sqltypes.Timestamp:
		t = temporalType(types.DateTime, int(vt.Size()))
	case sqltypes.IsBinary(k):
		t = types.BytesType
	case sqltypes.IsText(k):
		t = types.TextType
		if c := colldata.Lookup(vt.Collation()); c != nil && c.Charset().Name() == "utf8mb4" {
			t.Collation = vt.Collation()
		}
	default:
		return t, false, sqlerr.Unsupported("%s of type %s", construct(e.Name), k)
	}
	return t, nullable, nil
}

func temporalType(k types.Kind, scale int) types.Type {
	return types.Type{Kind: k, Size: -1, Scale: min(max(scale, 0), 6), Collation: types.Int64Type.Collation}
}

// cursor is what evalengine asks its session for.
type cursor struct{ env *Env }

func (c cursor) TimeZone() *time.Location        { return c.env.zone() }
func (c cursor) GetKeyspace() string             { return c.env.Database }
func (c cursor) SQLMode() string                 { return "STRICT_TRANS_TABLES" }
func (c cursor) Environment() *vtenv.Environment { return vitess() }
func (c cursor) SetLastInsertID(id uint64) {
	if c.env.SetLastInsertID != nil {
		c.env.SetLastInsertID(id)
	}
}

func newVitessEnv(env *Env) *evalengine.ExpressionEnv {
	ctx := env.Context
	if ctx == nil {
		ctx = context.Background()
	}
	v := evalengine.NewExpressionEnv(ctx, nil, cursor{env})
	v.SetTime(env.Now)
	return v
}

// callKernel runs a program for each row.
type callKernel struct {
	scratch
	e    *Call
	ev   *Evaluator
	p    *program
	in   []*operand
	vecs []*types.Vector
	env  *evalengine.ExpressionEnv
	args []sqltypes.Value // of a function of lengths
	buf  []byte
	// zeroDate tells that a date of the row, of which the month or the day is zero, stands there
	// as text: evalengine has no such dates.
	zeroDate bool
}

func (e *Call) compile(ev *Evaluator) (kernel, error) {
	if e.native != nil {
		return compileNative(ev, e)
	}
	p, err := e.program()
	if err != nil {
		return nil, err
	}
	in, err := ev.operands(p.inputs)
	if err != nil {
		return nil, err
	}
	return &callKernel{e: e, ev: ev, p: p, in: in, vecs: make([]*types.Vector, len(in))}, nil
}

func (k *callKernel) eval(in *types.Batch) (*types.Vector, error) {
	if k.env == nil {
		k.env = newVitessEnv(k.ev.env)
		k.env.Row = make([]sqltypes.Value, len(k.in))
		k.args = make([]sqltypes.Value, len(k.p.where))
		for i, at := range k.p.where {
			if l, ok := k.e.Args[i].(*Literal); ok && at < 0 {
				v := types.NewVector(l.T, 1)
				v.AppendValue(l.Value)
				k.args[i] = k.value(v, 0, true)
			}
		}
	}
	if err := all(in, k.in, k.vecs); err != nil {
		return nil, err
	}
	k.vec.Reset(k.e.T)
	for row := range in.Len {
		k.buf, k.zeroDate = k.buf[:0], false
		for i, v := range k.vecs {
			if row == 0 || !k.in[i].konst {
				k.env.Row[i] = k.value(v, k.in[i].at(row), k.in[i].konst)
			}
		}
		v, err := k.result()
		if err != nil {
			return nil, err
		}
		if err := room(&k.vec, len(v.Raw())); err != nil {
			return nil, err
		}
		appendResult(&k.vec, v)
		if err := k.ev.step(len(v.Raw()) + int(size(k.env.Row...))); err != nil {
			return nil, err
		}
	}
	return &k.vec, nil
}

// result returns the current row's value.
func (k *callKernel) result() (sqltypes.Value, error) {
	length := lengths[k.e.Name]
	if length != nil {
		for i, at := range k.p.where {
			if at >= 0 {
				k.args[i] = k.env.Row[at]
			}
		}
		if length(k.e, k.args) > MaxPacket {
			k.ev.tooLong(k.e.Name)
			return sqltypes.NULL, nil
		}
	}
	r, err := k.evaluate()
	if err != nil {
		return sqltypes.NULL, callError(k.e.Name, err)
	}
	v := r.Value(types.DefaultCollation)
	if k.e.movesDate() && bytes.HasPrefix(v.Raw(), []byte("0000-00-00")) {
		k.ev.warn(sqlerr.DatetimeOverflow.New("Datetime function: datetime field overflow"))
		return sqltypes.NULL, nil
	}
	if length != nil && v.Len() > MaxPacket {
		k.ev.tooLong(k.e.Name)
		return sqltypes.NULL, nil
	}
	return v, nil
}

// movesDate reports whether e is DATE_ADD, FROM_DAYS or the like, of which evalengine says that a
// date has left the calendar by a zero date.
func (e *Call) movesDate() bool {
	_, ok := e.tmpl.(*sqlparser.IntervalDateExpr)
	return ok || e.Name == "from_days"
}

// evaluate runs the program for the current row. Compiled programs do not expect
// NULL in some places (a DATE that an INTERVAL is added to): the tree does.
func (k *callKernel) evaluate() (evalengine.EvalResult, error) {
	if k.p.vm && !k.zeroDate {
		if r, err, ok := k.runVM(); ok {
			return r, err
		}
	}
	return k.env.EvaluateAST(k.p.expr)
}

func (k *callKernel) runVM() (r evalengine.EvalResult, err error, ok bool) {
	defer func() {
		if recover() != nil {
			ok = false
		}
	}()
	r, err = k.env.Evaluate(k.p.expr)
	return r, err, true
}

// value returns a value in evalengine's form. Its bytes are in k.buf, valid for
// the row, unless keep is set.
func (k *callKernel) value(v *types.Vector, i int, keep bool) sqltypes.Value {
	if v.IsNull(i) {
		return sqltypes.NULL
	}
	kind := vitessKind(v.Type)
	if v.Type.IsString() || v.Type.Physical() == types.PhysBytes && v.Type.Kind != types.UUID {
		return sqltypes.MakeTrusted(kind, v.BytesAt(i))
	}
	if keep {
		return sqltypes.MakeTrusted(kind, vitessText(nil, v, i))
	}
	if hasDate(v.Type) && types.Incomplete(v.Int64s[i]) {
		kind, k.zeroDate = sqltypes.VarChar, true
	}
	start := len(k.buf)
	k.buf = vitessText(k.buf, v, i)
	return sqltypes.MakeTrusted(kind, k.buf[start:len(k.buf):len(k.buf)])
}

// vitessText appends value i of v as evalengine reads it.
func vitessText(dst []byte, v *types.Vector, i int) []byte {
	if v.Type.Kind == types.Bit {
		return strconv.AppendUint(dst, v.Uint64s[i], 10)
	}
	return types.AppendText(dst, v.Type, v.Value(i))
}

// appendResult appends evalengine's result, converted to dst's type.
func appendResult(dst *types.Vector, r sqltypes.Value) {
	raw, t := r.Raw(), dst.Type
	if r.IsNull() {
		dst.AppendNull()
		return
	}
	switch {
	case t.IsTemporal():
		v, ok := parseTemporal(raw, t)
		if !ok {
			dst.AppendNull()
			return
		}
		dst.AppendInt(v)
	case t.Kind == types.Decimal:
		d, _ := decimal.NewFromMySQL(raw)
		if !d.IsInitialized() {
			d = decimal.Zero
		}
		appendDecimal(dst, d)
	case t.Physical() == types.PhysBytes:
		dst.AppendBytes(raw)
	case t.Physical() == types.PhysFloat64:
		f, _ := strconv.ParseFloat(string(raw), 64)
		dst.AppendFloat(f)
	case t.Physical() == types.PhysInt64:
		if n, err := strconv.ParseInt(string(raw), 10, 64); err == nil {
			dst.AppendInt(n)
			return
		}
		appendRounded(dst, raw)
	case t.Physical() == types.PhysUint64:
		if n, err := strconv.ParseUint(string(raw), 10, 64); err == nil {
			dst.AppendUint(n)
			return
		}
		appendRounded(dst, raw)
	default:
		dst.AppendNull()
	}
}

// appendRounded appends the integer nearest to a number in text.
func appendRounded(dst *types.Vector, raw []byte) {
	d, _ := decimal.NewFromMySQL(raw)
	if !d.IsInitialized() {
		d = decimal.Zero
	}
	d = d.Round(0)
	m, ok := d.Abs().Uint64()
	if !ok {
		m = 1<<64 - 1
	}
	appendInteger(dst, d.Sign() < 0, m)
}

// String prints the call as SQL.
func (e *Call) String() string {
	if e.tmpl == nil {
		return e.Name + "(" + join(e.Args, ", ") + ")"
	}
	buf := sqlparser.NewTrackedBuffer(func(buf *sqlparser.TrackedBuffer, node sqlparser.SQLNode) {
		if o, ok := node.(*sqlparser.Offset); ok {
			buf.WriteString(e.Args[o.V].String())
			return
		}
		node.Format(buf)
	})
	buf.Myprintf("%v", e.tmpl)
	return buf.String()
}

// callError maps an error of evalengine to one with MySQL's number.
func callError(name string, err error) error {
	if e := sqlerr.As(err); e != nil {
		return e
	}
	msg := err.Error()
	switch vterrors.ErrState(err) {
	case vterrors.DataOutOfRange:
		return sqlerr.DataOutOfRange.Wrap(err, "%s", msg)
	case vterrors.OperandColumns:
		return sqlerr.OperandColumns.Wrap(err, "%s", msg)
	case vterrors.BadFieldError:
		return sqlerr.UnknownColumn.Wrap(err, "%s", msg)
	}
	switch {
	case strings.HasPrefix(msg, "Timeout for expression"):
		return sqlerr.RegexpTimeout.Wrap(err, "Timeout exceeded in regular expression match.")
	case strings.HasPrefix(name, "regexp"):
		switch {
		case strings.Contains(msg, "cannot be used in conjunction"):
			return sqlerr.CharsetMismatch.Wrap(err, "%s", msg)
		case strings.Contains(msg, "Missing closing ]"):
			return sqlerr.RegexpBracket.Wrap(err, "The regular expression contains an unclosed bracket expression.")
		case strings.Contains(msg, "parenthes"):
			return sqlerr.RegexpParenthesis.Wrap(err, "Mismatched parenthesis in regular expression.")
		case strings.Contains(msg, "in regular expression on line"):
			return sqlerr.RegexpSyntax.Wrap(err, "%s", msg)
		}
	case strings.Contains(msg, "for function "):
		return sqlerr.WrongValueForType.Wrap(err, "%s", msg)
	case strings.HasPrefix(msg, "Incorrect parameter count"):
		return sqlerr.WrongParamCount.Wrap(err, "Incorrect parameter count in the call to native function '%s'", name)
	case strings.Contains(msg, "Invalid JSON"), strings.Contains(msg, "parse JSON"):
		return sqlerr.InvalidJSON.Wrap(err, "%s", msg)
	case strings.Contains(msg, evalengine.ErrTranslateExprNotSupported), vterrors.Code(err) == vtrpcpb.Code_UNIMPLEMENTED:
		return unsupported(err, "%s with these operands", construct(name))
	}
	return sqlerr.WrongArguments.Wrap(err, "Incorrect arguments to %s: %s", name, msg)
}

// perRow reports whether each evaluation may give another value.
func (e *Call) perRow() bool {
	if e.native != nil {
		return e.native.perRow
	}
	return false
}

// foldable reports whether the value depends on the operands only.
func (e *Call) foldable() bool {
	if e.native != nil {
		return !e.native.perRow && !e.native.session
	}
	return e.Name != "from_unixtime" && e.Name != "unix_timestamp"
}

// construct names a function in a message, as NAME(), and an operator as it is.
func construct(name string) string {
	if name == "" || name[0] < 'a' || name[0] > 'z' || strings.Contains(name, " ") {
		return name
	}
	return strings.ToUpper(name) + "()"
}

// unsupported is sqlerr.Unsupported with a cause.
func unsupported(cause error, format string, args ...any) error {
	e := sqlerr.Unsupported(format, args...)
	e.Cause = cause
	return e
}
