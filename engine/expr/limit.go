package expr

import (
	"bytes"
	"strconv"

	"vitess.io/vitess/go/sqltypes"

	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/types"
)

// MaxPacket is max_allowed_packet: the bytes that a function's text may have.
const MaxPacket = 64 << 20

// maxBatchText is the number of bytes that the results of one batch may have in all.
const maxBatchText = 1 << 30

// lengths has the functions whose text may be longer than MaxPacket. Each
// returns the bytes that a call's text will have, as far as they must be known before
// it is made: 0 where the text is at most a few times as long as the arguments. Floats, for
// products that no integer holds.
var lengths = map[string]func(e *Call, args []sqltypes.Value) float64{
	"repeat": func(_ *Call, a []sqltypes.Value) float64 { return size(a[0]) * number(a[1]) },
	"space":  func(_ *Call, a []sqltypes.Value) float64 { return number(a[0]) },
	"lpad":   padLength,
	"rpad":   padLength,
	"concat": func(_ *Call, a []sqltypes.Value) float64 { return size(a...) },
	"concat_ws": func(_ *Call, a []sqltypes.Value) float64 {
		return size(a[1:]...) + size(a[0])*float64(len(a)-2)
	},
	"replace":        replaceLength,
	"regexp_replace": regexpReplaceLength,
	// CAST AS BINARY(n) fills up with zeros.
	"cast":       func(e *Call, _ []sqltypes.Value) float64 { return float64(e.T.Size) },
	"make_set":   bounded,
	"export_set": bounded,
	"insert":     bounded,
	"hex":        bounded,
	"to_base64":  bounded,
	"quote":      bounded,
}

func bounded(*Call, []sqltypes.Value) float64 { return 0 }

func size(list ...sqltypes.Value) float64 {
	n := 0
	for _, v := range list {
		n += len(v.Raw())
	}
	return float64(n)
}

// number returns a count among the arguments, not below 0.
func number(v sqltypes.Value) float64 {
	raw := v.Raw()
	f, _ := strconv.ParseFloat(string(raw[:numberLength(raw)]), 64)
	return max(f, 0)
}

// padLength takes characters for as long as they may be, as MySQL does.
func padLength(e *Call, a []sqltypes.Value) float64 {
	n, width := number(a[1]), 4.0
	if e.Args[0].Type().IsBinary() {
		width = 1
	}
	if a[0].IsNull() || a[2].IsNull() || n <= size(a[0])/width {
		return 0
	}
	return n * width
}

func replaceLength(_ *Call, a []sqltypes.Value) float64 {
	from := size(a[1])
	if from == 0 || size(a[0])*size(a[2])/from <= MaxPacket {
		return 0
	}
	return size(a[0]) + float64(bytes.Count(a[0].Raw(), a[1].Raw()))*(size(a[2])-from)
}

// regexpReplaceLength takes one in sixteen characters for a match, for it does not
// search.
func regexpReplaceLength(_ *Call, a []sqltypes.Value) float64 { return size(a[0]) * size(a[2]) / 16 }

// tooLong warns of a call whose text would be longer than MaxPacket; it is NULL.
func (ev *Evaluator) tooLong(name string) {
	ev.warn(sqlerr.PacketOverflow.New("Result of %s() was larger than max_allowed_packet (%d) - truncated", name, MaxPacket))
}

// room returns an error when n more bytes are too many for the batch's results.
func room(v *types.Vector, n int) error {
	if len(v.Data)+n > maxBatchText {
		return sqlerr.OutOfMemory.New("Out of memory; the results of one step have more than %d bytes", maxBatchText)
	}
	return nil
}

// stepBytes is the work between two looks at the context: well below 50 ms for the
// slowest functions.
const stepBytes = 256 << 10

// step counts a row that n bytes were read or written for, and returns sqlerr.Interrupted soon after
// the context is cancelled.
func (ev *Evaluator) step(n int) error {
	if ev.work += n + 64; ev.work < stepBytes {
		return nil
	}
	ev.work = 0
	return ev.interrupted()
}

func (ev *Evaluator) interrupted() error {
	if ctx := ev.env.Context; ctx != nil && ctx.Err() != nil {
		return sqlerr.Interrupted.Wrap(ctx.Err(), "Query execution was interrupted")
	}
	return nil
}
