package expr

import (
	"maps"
	mathrand "math/rand/v2"
	"time"

	"github.com/kalamgo/kalam/engine/types"
)

// native is a function that is computed here: those that ask the session, and
// those that evalengine lacks.
type native struct {
	// args are the types that arguments convert to; the last one holds for the
	// rest. NullType leaves an argument as it is.
	args []types.Type
	// result is the type; typed derives it from the arguments instead.
	result types.Type
	typed  func(args []Expr) types.Type
	// eval is given arguments of the types of args. Unless nulls is set it is not
	// called when one is NULL: the result is NULL.
	eval func(c *nativeCall) (types.Value, error)
	// collates says that the texts among the arguments are converted to what they are
	// together, under the collation that they have then, or binary, and so is the
	// result; compares, that they must have one.
	collates, compares bool

	// calendar says that a date among the arguments of which a part is zero gives NULL.
	calendar bool

	nulls   bool
	notNull bool // the result is never NULL, arguments apart
	perRow  bool // each evaluation gives another value
	session bool // depends on the session: not to be folded
}

// nativeCall is one evaluation of a native function.
type nativeCall struct {
	name  string
	e     *Call
	env   *Env
	ev    *Evaluator
	args  []types.Value
	types []types.Type
	konst []bool // which arguments are the same for every row
	state any    // what the function keeps between rows
}

// newNative returns the call of native function n.
func newNative(name string, n *native, args []Expr) (Expr, error) {
	want := func(i int) types.Type {
		if len(n.args) == 0 {
			return types.NullType
		}
		return n.args[min(i, len(n.args)-1)]
	}
	text := types.TextType
	if n.collates {
		var texts []Expr
		for i, a := range args {
			if want(i) == types.TextType {
				texts = append(texts, a)
			}
		}
		text = textOf(texts)
		if n.compares {
			if _, err := collateForCompare(name, texts...); err != nil {
				return nil, err
			}
		}
	}
	list := make([]Expr, len(args))
	notNull := n.notNull
	for i, a := range args {
		t := want(i)
		if t == types.TextType {
			t = text
		}
		list[i] = CastTo(a, t)
		notNull = notNull && !list[i].Nullable()
	}
	c := &Call{Name: name, Args: list, T: n.result, native: n, NotNull: notNull}
	switch {
	case n.typed != nil:
		c.T = n.typed(list)
	case n.result == types.TextType:
		c.T = text
	}
	return c, nil
}

type nativeKernel struct {
	scratch
	e    *Call
	in   []*operand
	vecs []*types.Vector
	call nativeCall
}

func compileNative(ev *Evaluator, e *Call) (kernel, error) {
	in, err := ev.operands(e.Args)
	if err != nil {
		return nil, err
	}
	k := &nativeKernel{e: e, in: in, vecs: make([]*types.Vector, len(in))}
	k.call = nativeCall{name: e.Name, e: e, env: ev.env, ev: ev, args: make([]types.Value, len(in))}
	for _, a := range e.Args {
		k.call.types = append(k.call.types, a.Type())
	}
	for _, o := range in {
		k.call.konst = append(k.call.konst, o.konst)
	}
	return k, nil
}

func (k *nativeKernel) eval(in *types.Batch) (*types.Vector, error) {
	if err := all(in, k.in, k.vecs); err != nil {
		return nil, err
	}
	k.vec.Reset(k.e.T)
	if in.Len == 0 {
		return &k.vec, nil
	}
	constBytes, constNull := 0, false
	for i, konst := range k.call.konst {
		if konst {
			constNull = k.take(i, 0) || constNull
			constBytes += len(k.call.args[i].Bytes())
		}
	}
	for row := range in.Len {
		bytes, null := constBytes, constNull
		for i, konst := range k.call.konst {
			if !konst {
				null = k.take(i, row) || null
				bytes += len(k.call.args[i].Bytes())
			}
		}
		if null && !k.e.native.nulls {
			k.vec.AppendNull()
			continue
		}
		v, err := k.e.native.eval(&k.call)
		if err != nil {
			return nil, err
		}
		n := len(v.Bytes())
		if n > MaxPacket && lengths[k.e.Name] != nil {
			k.call.ev.tooLong(k.e.Name)
			v, n = types.Value{}, 0
		}
		if err := room(&k.vec, n); err != nil {
			return nil, err
		}
		k.vec.AppendValue(v)
		if err := k.call.ev.step(bytes + n); err != nil {
			return nil, err
		}
	}
	return &k.vec, nil
}

// take sets argument i to a row's. It reports whether the function takes it for NULL.
func (k *nativeKernel) take(i, row int) (null bool) {
	v, a := k.vecs[i], &k.call.args[i]
	*a = v.Value(row)
	return a.IsNull() || k.e.native.calendar && hasDate(v.Type) && !isWhole(a.Int())
}

// Version is what VERSION() says.
const Version = "8.0.40-kalam"

var (
	dateType     = temporalType(types.Date, 0)
	dateTimeType = temporalType(types.DateTime, 6)
	timeType     = temporalType(types.Time, 6)
	anyArg       = []types.Type{types.NullType}
	intArg       = []types.Type{types.Int64Type}
	textArg      = []types.Type{types.TextType}
)

var natives map[string]*native

// natives' functions bind expressions themselves, so the map is filled late.
func init() {
	natives = map[string]*native{
		"now":               clock(types.DateTime, (*Env).now),
		"current_timestamp": clock(types.DateTime, (*Env).now),
		"localtime":         clock(types.DateTime, (*Env).now),
		"localtimestamp":    clock(types.DateTime, (*Env).now),
		"utc_timestamp":     clock(types.DateTime, (*Env).utc),
		"curtime":           clock(types.Time, (*Env).now),
		"current_time":      clock(types.Time, (*Env).now),
		"utc_time":          clock(types.Time, (*Env).utc),
		"curdate":           clock(types.Date, (*Env).now),
		"current_date":      clock(types.Date, (*Env).now),
		"utc_date":          clock(types.Date, (*Env).utc),
		"sysdate":           sysdate(),

		"database":       sessionText(func(e *Env) string { return e.Database }),
		"schema":         sessionText(func(e *Env) string { return e.Database }),
		"user":           userText,
		"current_user":   userText,
		"session_user":   userText,
		"system_user":    userText,
		"current_role":   sessionText(func(*Env) string { return "NONE" }), // there are no roles that a session could have active
		"version":        sessionText(func(*Env) string { return Version }),
		"connection_id":  sessionNumber(types.Uint64Type, func(e *Env) types.Value { return types.NewUint(e.ConnID) }),
		"row_count":      sessionNumber(types.Int64Type, func(e *Env) types.Value { return types.NewInt(e.RowCount) }),
		"found_rows":     sessionNumber(types.Int64Type, func(e *Env) types.Value { return types.NewInt(e.FoundRows) }),
		"last_insert_id": sessionNumber(types.Uint64Type, func(e *Env) types.Value { return types.NewUint(e.LastInsertID) }),
		"unix_timestamp": sessionNumber(types.Int64Type, func(e *Env) types.Value { return types.NewInt(e.Now.Unix()) }),

		"rand": {args: intArg, result: types.Float64Type, nulls: true, notNull: true, perRow: true, eval: random01},
	}
	maps.Copy(natives, timeNatives())
	maps.Copy(natives, textNatives())
	maps.Copy(natives, mysqlNatives())
	maps.Copy(natives, lockNatives())
	maps.Copy(natives, jsonNatives())
	maps.Copy(natives, cryptNatives())
	maps.Copy(natives, numberNatives())
	maps.Copy(natives, idNatives())
	maps.Copy(natives, spatialNatives())
	maps.Copy(natives, measureNatives())
}

func (env *Env) utc() time.Time { return env.Now.UTC() }

// clock is a function of the statement's time; its argument is the number of
// digits of the second.
func clock(k types.Kind, now func(*Env) time.Time) *native {
	return &native{
		args: intArg, session: true, notNull: true,
		typed: func(args []Expr) types.Type { return temporalType(k, precision(args)) },
		eval: func(c *nativeCall) (types.Value, error) {
			scale := 0
			if len(c.args) > 0 {
				scale = int(c.args[0].Int())
			}
			return clockValue(k, now(c.env), scale), nil
		},
	}
}

func precision(args []Expr) int {
	if len(args) == 1 {
		if l, ok := args[0].(*Literal); ok && !l.Value.IsNull() {
			return int(l.Value.Int())
		}
	}
	return 0
}

// clockValue cuts t to scale digits of a second.
func clockValue(k types.Kind, t time.Time, scale int) types.Value {
	c := civilOf(t)
	unit := int(pow10[6-min(max(scale, 0), 6)])
	c.Micro = c.Micro / unit * unit
	switch k {
	case types.Date:
		c = midnight(c)
	case types.Time:
		return types.NewInt(clockMicros(c))
	}
	return types.NewInt(c.pack())
}

// sysdate is the time at which it is evaluated.
func sysdate() *native {
	n := clock(types.DateTime, func(e *Env) time.Time { return time.Now().In(e.zone()) })
	n.perRow = true
	return n
}

// userText is the session's user, who may be ”.
var userText = &native{result: types.TextType, session: true, notNull: true, eval: func(c *nativeCall) (types.Value, error) {
	return types.NewString(c.env.User), nil
}}

func sessionText(f func(*Env) string) *native {
	return &native{result: types.TextType, session: true, eval: func(c *nativeCall) (types.Value, error) {
		if s := f(c.env); s != "" {
			return types.NewString(s), nil
		}
		return types.Value{}, nil
	}}
}

func sessionNumber(t types.Type, f func(*Env) types.Value) *native {
	return &native{result: t, session: true, notNull: true, eval: func(c *nativeCall) (types.Value, error) {
		return f(c.env), nil
	}}
}

// setLastInsertID is LAST_INSERT_ID(expr).
var setLastInsertID = &native{
	args: []types.Type{types.Uint64Type}, result: types.Uint64Type, perRow: true, eval: lastInsertID,
}

func lastInsertID(c *nativeCall) (types.Value, error) {
	if c.env.SetLastInsertID != nil {
		c.env.SetLastInsertID(c.args[0].Uint())
	}
	return c.args[0], nil
}

// random01 is RAND(); with a seed each evaluation yields the next of a sequence,
// MySQL's, and a seed that is no constant starts one in each row.
func random01(c *nativeCall) (types.Value, error) {
	if len(c.args) == 0 {
		return types.NewFloat(mathrand.Float64()), nil
	}
	r, ok := c.state.(*sequence)
	if !ok || !c.konst[0] {
		r = newSequence(uint32(c.args[0].Int()))
		c.state = r
	}
	return types.NewFloat(r.next()), nil
}

// sequence is MySQL's generator of random numbers from a seed.
type sequence struct{ a, b uint32 }

const sequenceModulus = 0x3FFFFFFF

func newSequence(seed uint32) *sequence {
	return &sequence{(seed*0x10001 + 55555555) % sequenceModulus, seed * 0x10000001 % sequenceModulus}
}

func (s *sequence) next() float64 {
	s.a = (s.a*3 + s.b) % sequenceModulus
	s.b = (s.a + s.b + 33) % sequenceModulus
	return float64(s.a) / sequenceModulus
}
