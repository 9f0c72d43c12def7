package expr

import (
	"bytes"
	"fmt"
	"math"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/types"
)

func mysqlNatives() map[string]*native {
	return map[string]*native{
		"sleep":            {args: []types.Type{types.Float64Type}, result: types.Int64Type, nulls: true, notNull: true, perRow: true, eval: sleep},
		"soundex":          {args: textArg, result: types.TextType, eval: soundex},
		"make_set":         {args: []types.Type{types.NullType, types.TextType}, result: types.TextType, collates: true, nulls: true, eval: makeSet},
		"export_set":       {args: []types.Type{types.NullType, types.TextType, types.TextType, types.TextType, types.Int64Type}, result: types.TextType, collates: true, eval: exportSet},
		"inet_aton":        {args: textArg, result: types.Uint64Type, eval: inetAton},
		"charset":          {args: anyArg, result: types.TextType, nulls: true, notNull: true, eval: charsetOf},
		"format_bytes":     {args: []types.Type{types.Float64Type}, result: types.TextType, eval: formatBytes},
		"format_pico_time": {args: []types.Type{types.Float64Type}, result: types.TextType, eval: formatPicoTime},
		"get_format":       {args: textArg, result: types.TextType, eval: getFormat},
		"collation":        {args: anyArg, result: types.TextType, nulls: true, notNull: true, eval: collationOfArg},
	}
}

// sleep is SLEEP(seconds): 0, after as long, unless the context ends it.
func sleep(c *nativeCall) (types.Value, error) {
	if c.args[0].IsNull() || c.args[0].Float() < 0 {
		return types.Value{}, sqlerr.WrongArguments.New("Incorrect arguments to sleep.")
	}
	const most = 1e9 // seconds: a Duration holds no more than nine times as many
	t := time.NewTimer(time.Duration(min(c.args[0].Float(), most) * float64(time.Second)))
	defer t.Stop()
	var done <-chan struct{}
	if ctx := c.env.Context; ctx != nil {
		done = ctx.Done()
	}
	select {
	case <-t.C:
	case <-done:
		return types.Value{}, c.ev.interrupted()
	}
	return types.NewInt(0), nil
}

// soundex keeps the first letter and the codes of the others, repeats left out, at
// least four characters, as MySQL's original algorithm does: vowels are dropped before
// repeats are.
func soundex(c *nativeCall) (types.Value, error) {
	//             ABCDEFGHIJKLMNOPQRSTUVWXYZ
	const codes = "01230120022455012623010202"
	var out []byte
	last := byte(0)
	for _, r := range strings.ToUpper(string(c.args[0].Bytes())) {
		code := byte('0')
		switch {
		case r >= 'A' && r <= 'Z':
			code = codes[r-'A']
		case r < utf8.RuneSelf:
			continue
		}
		if out == nil {
			out, last = utf8.AppendRune(out, r), code
			continue
		}
		if code != '0' && code != last {
			out = append(out, code)
		}
		if code != '0' {
			last = code
		}
	}
	for len(out) > 0 && len(out) < 4 {
		out = append(out, '0')
	}
	return types.NewBytes(out), nil
}

// makeSet is MAKE_SET(bits, …): the texts whose bits are set, but NULL ones.
func makeSet(c *nativeCall) (types.Value, error) {
	if c.args[0].IsNull() {
		return types.Value{}, nil
	}
	out, first := []byte{}, true
	for i, a := range c.args[1:] {
		if i >= 64 || c.args[0].Uint()>>i&1 == 0 || a.IsNull() {
			continue
		}
		if !first {
			out = append(out, ',')
		}
		out, first = append(out, a.Bytes()...), false
	}
	return types.NewBytes(out), nil
}

// exportSet is EXPORT_SET(bits, on, off, separator, count), by default with commas and 64 bits.
func exportSet(c *nativeCall) (types.Value, error) {
	sep, count := []byte(","), int64(64)
	if len(c.args) > 3 {
		sep = c.args[3].Bytes()
	}
	if len(c.args) > 4 && c.args[4].Int() >= 0 {
		count = min(count, c.args[4].Int())
	}
	longest := max(len(c.args[1].Bytes()), len(c.args[2].Bytes())) + len(sep)
	if longest > MaxPacket/4 {
		c.ev.tooLong("export_set")
		return types.Value{}, nil
	}
	out := []byte{}
	for i := range count {
		if i > 0 {
			out = append(out, sep...)
		}
		item := c.args[2].Bytes()
		if c.args[0].Uint()>>i&1 == 1 {
			item = c.args[1].Bytes()
		}
		if out = append(out, item...); len(out) > MaxPacket {
			break
		}
	}
	return types.NewBytes(out), nil
}

func charsetOf(c *nativeCall) (types.Value, error) {
	if t := c.types[0]; hasCollation(t) || t.Kind == types.JSON {
		return types.NewString("utf8mb4"), nil
	}
	return types.NewString("binary"), nil
}

func collationOfArg(c *nativeCall) (types.Value, error) {
	if t := c.types[0]; hasCollation(t) || t.Kind == types.JSON {
		return types.NewString(types.CollationName(t.Collation)), nil
	}
	return types.NewString("binary"), nil
}

// inUnit is FORMAT_BYTES and FORMAT_PICO_TIME: x in the largest unit that it has, whole
// in the smallest one.
func inUnit(x float64, whole string, sizes []float64, names []string) types.Value {
	i := len(sizes) - 1
	for i > 0 && math.Abs(x) < sizes[i] {
		i--
	}
	switch x /= sizes[i]; {
	case i == 0:
		return types.NewString(fmt.Sprintf(whole+" %s", int64(x), names[i]))
	case math.Abs(x) >= 100000:
		return types.NewString(fmt.Sprintf("%4.2e %s", x, names[i]))
	}
	return types.NewString(fmt.Sprintf("%4.2f %s", x, names[i]))
}

func formatBytes(c *nativeCall) (types.Value, error) {
	return inUnit(c.args[0].Float(), "%4d", []float64{1, 1 << 10, 1 << 20, 1 << 30, 1 << 40, 1 << 50, 1 << 60},
		[]string{"bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"}), nil
}

func formatPicoTime(c *nativeCall) (types.Value, error) {
	const second = 1e12
	return inUnit(c.args[0].Float(), "%3d", []float64{1, 1e3, 1e6, 1e9, second, 60 * second, 3600 * second, 86400 * second},
		[]string{"ps", "ns", "us", "ms", "s", "min", "h", "d"}), nil
}

// dateFormats are GET_FORMAT's, for DATE, TIME and DATETIME.
var dateFormats = map[string][3]string{
	"USA":      {"%m.%d.%Y", "%h:%i:%s %p", "%Y-%m-%d %H.%i.%s"},
	"JIS":      {"%Y-%m-%d", "%H:%i:%s", "%Y-%m-%d %H:%i:%s"},
	"ISO":      {"%Y-%m-%d", "%H:%i:%s", "%Y-%m-%d %H:%i:%s"},
	"EUR":      {"%d.%m.%Y", "%H.%i.%s", "%Y-%m-%d %H.%i.%s"},
	"INTERNAL": {"%Y%m%d", "%H%i%s", "%Y%m%d%H%i%s"},
}

func getFormat(c *nativeCall) (types.Value, error) {
	f, ok := dateFormats[strings.ToUpper(string(c.args[1].Bytes()))]
	if !ok {
		return types.Value{}, nil
	}
	switch string(c.args[0].Bytes()) {
	case "date":
		return types.NewString(f[0]), nil
	case "time":
		return types.NewString(f[1]), nil
	}
	return types.NewString(f[2]), nil
}

// inetAton is INET_ATON: of fewer than four numbers the last one stands for the last
// byte, those that are missing are 0.
func inetAton(c *nativeCall) (types.Value, error) {
	text := c.args[0].Bytes()
	parts := bytes.Split(text, []byte("."))
	if len(text) == 0 || len(parts) > 4 || len(parts[len(parts)-1]) == 0 {
		return types.Value{}, nil
	}
	var address uint64
	for i, p := range parts {
		n := uint64(0)
		for _, d := range p {
			if n = n*10 + uint64(d-'0'); d < '0' || d > '9' || n > 255 {
				return types.Value{}, nil
			}
		}
		if i == len(parts)-1 && i > 0 {
			address <<= 8 * (3 - i)
		}
		address = address<<8 | n
	}
	return types.NewUint(address), nil
}
