package expr

import (
	"crypto/rand"
	"encoding/binary"
	"maps"
	mathrand "math/rand/v2"
	"time"

	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/types"
)

// native is a function that is computed here: those that ask the session, and
// those that evalengine lacks.
type native struct {
	min, max int // number of arguments
	// args are the types that arguments convert to; the last one holds for the
	// rest. NullType leaves an argument as it is.
	args []types.Type
	// result is the type; typed derives it from the arguments instead.
	result types.Type
	typed  func(args []Expr) types.Type
	// eval is given arguments of the types of args. Unless nulls is set it is not
	// called when one is NULL: the result is NULL.
	eval    func(c *nativeCall) (types.Value, error)
	nulls   bool
	notNull bool // the result is never NULL, arguments apart
	perRow  bool // each evaluation gives another value
	session bool // depends on the session: not to be folded
}

// nativeCall is one evaluation of a native function.
type nativeCall struct {
	env   *Env
	ev    *Evaluator
	args  []types.Value
	types []types.Type
	state any // what the function keeps between rows
}

// newNative returns the call of native function n.
func newNative(name string, n *native, args []Expr) (Expr, error) {
	if n == nil {
		return nil, sqlerr.UnknownFunction.New("FUNCTION %s does not exist", name)
	}
	if len(args) < n.min || n.max >= 0 && len(args) > n.max {
		return nil, wrongParamCount(name)
	}
	list := make([]Expr, len(args))
	notNull := n.notNull
	for i, a := range args {
		t := types.NullType
		if len(n.args) > 0 {
			t = n.args[min(i, len(n.args)-1)]
		}
		list[i] = CastTo(a, t)
		notNull = notNull && !list[i].Nullable()
	}
	c := &Call{Name: name, Args: list, T: n.result, native: n, NotNull: notNull}
	if n.typed != nil {
		c.T = n.typed(list)
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
	k.call = nativeCall{env: ev.env, ev: ev, args: make([]types.Value, len(in))}
	for _, a := range e.Args {
		k.call.types = append(k.call.types, a.Type())
	}
	return k, nil
}

func (k *nativeKernel) eval(in *types.Batch) (*types.Vector, error) {
	if err := all(in, k.in, k.vecs); err != nil {
		return nil, err
	}
	k.vec.Reset(k.e.T)
	for row := range in.Len {
		null := false
		for i, v := range k.vecs {
			a := v.Value(k.in[i].at(row))
			null = null || a.IsNull()
			k.call.args[i] = a
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
		for _, a := range k.call.args {
			n += len(a.Bytes())
		}
		if err := k.call.ev.step(n); err != nil {
			return nil, err
		}
	}
	return &k.vec, nil
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
		"user":           sessionText(func(e *Env) string { return e.User }),
		"current_user":   sessionText(func(e *Env) string { return e.User }),
		"session_user":   sessionText(func(e *Env) string { return e.User }),
		"system_user":    sessionText(func(e *Env) string { return e.User }),
		"version":        sessionText(func(*Env) string { return Version }),
		"connection_id":  sessionNumber(types.Uint64Type, func(e *Env) types.Value { return types.NewUint(e.ConnID) }),
		"row_count":      sessionNumber(types.Int64Type, func(e *Env) types.Value { return types.NewInt(e.RowCount) }),
		"found_rows":     sessionNumber(types.Int64Type, func(e *Env) types.Value { return types.NewInt(e.FoundRows) }),
		"last_insert_id": sessionNumber(types.Uint64Type, func(e *Env) types.Value { return types.NewUint(e.LastInsertID) }),
		"unix_timestamp": sessionNumber(types.Int64Type, func(e *Env) types.Value { return types.NewInt(e.Now.Unix()) }),

		"uuid":    random(func(*Env) []byte { return uuidText(newUUIDv1()) }),
		"uuid_v7": random(func(*Env) []byte { return uuidText(newUUIDv7()) }),
		"ulid":    random(func(*Env) []byte { return newULID() }),
		"rand":    {max: 1, args: intArg, result: types.Float64Type, nulls: true, notNull: true, perRow: true, eval: random01},
	}
	maps.Copy(natives, timeNatives())
	maps.Copy(natives, textNatives())
	maps.Copy(natives, mysqlNatives())
}

func (env *Env) utc() time.Time { return env.Now.UTC() }

// clock is a function of the statement's time; its argument is the number of
// digits of the second.
func clock(k types.Kind, now func(*Env) time.Time) *native {
	return &native{
		max: 1, args: intArg, session: true, notNull: true,
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
	min: 1, max: 1, args: []types.Type{types.Uint64Type}, result: types.Uint64Type, perRow: true, eval: lastInsertID,
}

func lastInsertID(c *nativeCall) (types.Value, error) {
	if c.env.SetLastInsertID != nil {
		c.env.SetLastInsertID(c.args[0].Uint())
	}
	return c.args[0], nil
}

func random(f func(*Env) []byte) *native {
	return &native{result: types.TextType, notNull: true, perRow: true, eval: func(c *nativeCall) (types.Value, error) {
		return types.NewBytes(f(c.env)), nil
	}}
}

// random01 is RAND(); with a seed each evaluation yields the next of a sequence.
func random01(c *nativeCall) (types.Value, error) {
	if len(c.args) == 0 {
		return types.NewFloat(mathrand.Float64()), nil
	}
	r, ok := c.state.(*mathrand.Rand)
	if !ok {
		seed := uint64(c.args[0].Int())
		r = mathrand.New(mathrand.NewPCG(seed, seed))
		c.state = r
	}
	return types.NewFloat(r.Float64()), nil
}

func randomBytes(b []byte) { _, _ = rand.Read(b) } // it never fails

func uuidText(u []byte) []byte {
	return types.AppendText(nil, types.Type{Kind: types.UUID}, types.NewBytes(u))
}

// newUUIDv1 makes a time-based UUID with a random node, as RFC 9562 has it.
func newUUIDv1() []byte {
	u := make([]byte, 16)
	randomBytes(u[8:])
	// 100 ns ticks since 15 October 1582.
	t := uint64(time.Now().UnixNano()/100) + 0x01B21DD213814000
	binary.BigEndian.PutUint32(u, uint32(t))
	binary.BigEndian.PutUint16(u[4:], uint16(t>>32))
	binary.BigEndian.PutUint16(u[6:], uint16(t>>48)&0x0fff|0x1000)
	u[8] = u[8]&0x3f | 0x80
	u[10] |= 1 // multicast: not a hardware address
	return u
}

// newUUIDv7 makes a UUID ordered by time (RFC 9562).
func newUUIDv7() []byte {
	u := timeOrdered()
	u[6] = u[6]&0x0f | 0x70
	u[8] = u[8]&0x3f | 0x80
	return u
}

// timeOrdered returns 48 bits of Unix milliseconds and 80 random bits.
func timeOrdered() []byte {
	u := make([]byte, 16)
	randomBytes(u[6:])
	ms := uint64(time.Now().UnixMilli())
	binary.BigEndian.PutUint16(u, uint16(ms>>32))
	binary.BigEndian.PutUint32(u[2:], uint32(ms))
	return u
}

// newULID makes a ULID: 26 characters of Crockford's base 32, ordered by time.
func newULID() []byte {
	const alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
	u := timeOrdered()
	hi, lo := binary.BigEndian.Uint64(u), binary.BigEndian.Uint64(u[8:])
	out := make([]byte, 26)
	for i := 25; i >= 0; i-- {
		out[i] = alphabet[lo&31]
		lo = lo>>5 | hi<<59
		hi >>= 5
	}
	return out
}
