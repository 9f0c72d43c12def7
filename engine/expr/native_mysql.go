package expr

import (
	"strings"
	"time"
	"unicode/utf8"

	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/types"
)

func mysqlNatives() map[string]*native {
	return map[string]*native{
		"sleep":      {min: 1, max: 1, args: []types.Type{types.Float64Type}, result: types.Int64Type, nulls: true, notNull: true, perRow: true, eval: sleep},
		"soundex":    {min: 1, max: 1, args: textArg, result: types.TextType, eval: soundex},
		"make_set":   {min: 2, max: -1, args: []types.Type{types.Uint64Type, types.TextType}, result: types.TextType, nulls: true, eval: makeSet},
		"export_set": {min: 3, max: 5, args: []types.Type{types.Uint64Type, types.TextType, types.TextType, types.TextType, types.Int64Type}, result: types.TextType, eval: exportSet},
		"charset":    {min: 1, max: 1, args: anyArg, result: types.TextType, nulls: true, notNull: true, eval: charsetOf},
		"collation":  {min: 1, max: 1, args: anyArg, result: types.TextType, nulls: true, notNull: true, eval: collationOfArg},
	}
}

// lacking are the functions of MySQL 8 that are not here.
var lacking = func() map[string]bool {
	names := map[string]bool{}
	for _, n := range strings.Fields(`
		aes_decrypt aes_encrypt asymmetric_decrypt asymmetric_encrypt asymmetric_sign asymmetric_verify
		benchmark coercibility compress current_role default extractvalue
		format_bytes format_pico_time get_dd_column_privileges get_dd_create_options get_format get_lock
		group_replication_set_as_primary grouping gtid_subset gtid_subtract icu_version
		is_free_lock is_used_lock is_visible_dd_object json_merge json_merge_patch json_merge_preserve
		json_overlaps json_pretty json_schema_valid json_schema_validation_report json_search
		json_storage_free json_storage_size json_table json_value load_file
		master_pos_wait name_const ps_current_thread_id ps_thread_id release_all_locks release_lock
		roles_graphml source_pos_wait statement_digest statement_digest_text uncompress uncompressed_length
		updatexml uuid_short validate_password_strength
		wait_for_executed_gtid_set wait_until_sql_thread_after_gtids
		geomcollection geometrycollection linestring point polygon multilinestring multipoint multipolygon
		mbrcontains mbrcoveredby mbrcovers mbrdisjoint mbrequals mbrintersects mbroverlaps mbrtouches mbrwithin`) {
		names[n] = true
	}
	return names
}()

// lacks reports whether MySQL 8 has function name and Kalam has not.
func lacks(name string) bool { return lacking[name] || strings.HasPrefix(name, "st_") }

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
