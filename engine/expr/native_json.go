package expr

import (
	"bytes"

	"vitess.io/vitess/go/mysql/collations"
	"vitess.io/vitess/go/mysql/collations/colldata"
	"vitess.io/vitess/go/vt/sqlparser"

	"github.com/kalamgo/kalam/engine/jsondoc"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/types"
)

func jsonNatives() map[string]*native {
	document := func(eval func(c *nativeCall) (types.Value, error)) *native {
		return &native{args: anyArg, result: types.JSONType, eval: eval}
	}
	nulls := func(n *native) *native {
		n.nulls = true
		return n
	}
	number := func(eval func(c *nativeCall) (types.Value, error)) *native {
		return &native{args: anyArg, result: types.Int64Type, eval: eval}
	}
	text := func(eval func(c *nativeCall) (types.Value, error)) *native {
		return &native{args: anyArg, result: types.TextType, eval: eval}
	}
	truth := func(eval func(c *nativeCall) (types.Value, error)) *native {
		return &native{args: anyArg, result: types.BoolType, eval: eval}
	}
	return map[string]*native{
		"json_array":          nulls(document(jsonArray)),
		"json_object":         nulls(document(jsonObject)),
		"json_quote":          text(jsonQuote),
		"json_unquote":        text(jsonUnquote),
		"json_extract":        document(jsonExtract),
		"json_keys":           document(jsonKeys),
		"json_search":         nulls(document(jsonSearch)),
		"json_remove":         document(jsonRemove),
		"json_set":            nulls(document(jsonApply(jsondoc.Set))),
		"json_insert":         nulls(document(jsonApply(jsondoc.Insert))),
		"json_replace":        nulls(document(jsonApply(jsondoc.Replace))),
		"json_array_append":   nulls(document(jsonApply(jsondoc.ArrayAppend))),
		"json_array_insert":   nulls(document(jsonApply(jsondoc.ArrayInsert))),
		"json_merge":          document(jsonMerge),
		"json_merge_preserve": document(jsonMerge),
		"json_merge_patch":    nulls(document(jsonMergePatch)),
		"json_contains":       truth(jsonContains),
		"json_contains_path":  truth(jsonContainsPath),
		"json_overlaps":       truth(jsonOverlaps),
		"member of":           truth(jsonMemberOf),
		"json_valid":          truth(jsonValid),
		"json_type":           text(jsonType),
		"json_pretty":         text(jsonPretty),
		"json_depth":          number(jsonDepth),
		"json_length":         number(jsonLength),
		"json_storage_size":   number(jsonStorageSize),
		"json_storage_free":   number(jsonStorageFree),
		"cast_as_json":        document(jsonCast),
		"json_of":             document(jsonOf),
		"json_table":          document(jsonDocument),
	}
}

// document reads argument i, JSON or text, as JSON.
func (c *nativeCall) document(i int) (*jsondoc.Value, error) {
	switch t := c.types[i]; {
	case t.Kind == types.JSON:
		return jsondoc.ParseNormal(c.args[i].Bytes()), nil
	case t.IsText():
		doc, err := jsondoc.Parse(c.args[i].Bytes())
		if err != nil {
			_, why, _ := bytes.Cut([]byte(sqlerr.As(err).Message), []byte(": "))
			return nil, sqlerr.InvalidJSONText.Wrap(err, "Invalid JSON text in argument %d to function %s: %s", i+1, c.name, why)
		}
		return doc, nil
	case t.IsBinary():
		return nil, sqlerr.InvalidJSONCharset.New("Cannot create a JSON value from a string with CHARACTER SET 'binary'.")
	}
	return nil, sqlerr.InvalidJSONType.New("Invalid data type for JSON data in argument %d to function %s; a JSON string or JSON type is required.", i+1, c.name)
}

// documents reads two arguments.
func (c *nativeCall) documents() (a, b *jsondoc.Value, err error) {
	if a, err = c.document(0); err != nil {
		return nil, nil, err
	}
	b, err = c.document(1)
	return a, b, err
}

// jsonPaths is the state of a function with paths: the last path of each argument.
type jsonPaths []struct {
	text []byte
	path *jsondoc.Path
}

// path reads argument i as a JSON path.
func (c *nativeCall) path(i int) (*jsondoc.Path, error) {
	paths, _ := c.state.(jsonPaths)
	if paths == nil {
		paths = make(jsonPaths, len(c.args))
		c.state = paths
	}
	p := &paths[i]
	text := types.AppendText(nil, c.types[i], c.args[i])
	if p.path == nil || !bytes.Equal(text, p.text) {
		path, err := jsondoc.ParsePath(text)
		if err != nil {
			return nil, err
		}
		p.text, p.path = text, path
	}
	return p.path, nil
}

// at returns what argument i, a path without wildcards, leads to in doc; nil if nothing.
func (c *nativeCall) at(doc *jsondoc.Value, i int) (*jsondoc.Value, error) {
	path, err := c.path(i)
	if err != nil {
		return nil, err
	}
	if path.Many() {
		return nil, sqlerr.JSONPathWildcard.New("In this situation, path expressions may not contain the * and ** tokens or an array range.")
	}
	return path.First(doc), nil
}

// value returns argument i as a JSON value: text is a string.
func (c *nativeCall) value(i int) *jsondoc.Value {
	return jsondoc.ParseNormal(types.AppendJSON(nil, c.types[i], c.args[i]))
}

// jsonResult returns doc as a value.
func jsonResult(doc *jsondoc.Value) (types.Value, error) {
	if err := doc.CheckDepth(); err != nil {
		return types.Value{}, err
	}
	return types.NewBytes(doc.Append(nil)), nil
}

func jsonArray(c *nativeCall) (types.Value, error) {
	doc := &jsondoc.Value{Kind: jsondoc.Array}
	for i := range c.args {
		doc.Items = append(doc.Items, c.value(i))
	}
	return jsonResult(doc)
}

func jsonObject(c *nativeCall) (types.Value, error) {
	doc := &jsondoc.Value{Kind: jsondoc.Object}
	for i := 0; i < len(c.args); i += 2 {
		if c.args[i].IsNull() {
			return types.Value{}, sqlerr.JSONNullKey.New("JSON documents may not contain NULL member names.")
		}
		doc.Set(string(types.AppendText(nil, c.types[i], c.args[i])), c.value(i+1))
	}
	return jsonResult(doc)
}

func jsonQuote(c *nativeCall) (types.Value, error) {
	if !c.types[0].IsText() {
		return types.Value{}, sqlerr.IncorrectType.New("Incorrect type for argument 1 in function json_quote.")
	}
	return types.NewBytes(types.AppendJSONString(nil, c.args[0].Bytes())), nil
}

func jsonUnquote(c *nativeCall) (types.Value, error) {
	text := types.AppendText(nil, c.types[0], c.args[0])
	if c.types[0].Kind != types.JSON && (len(text) < 2 || text[0] != '"' || text[len(text)-1] != '"') {
		return types.NewBytes(text), nil
	}
	doc, err := c.document(0)
	if err != nil || doc.Kind != jsondoc.String {
		return types.NewBytes(text), err
	}
	return types.NewBytes(doc.Text), nil
}

func jsonExtract(c *nativeCall) (types.Value, error) {
	doc, err := c.document(0)
	if err != nil {
		return types.Value{}, err
	}
	found := &jsondoc.Value{Kind: jsondoc.Array}
	many := len(c.args) > 2
	for i := 1; i < len(c.args); i++ {
		path, err := c.path(i)
		if err != nil {
			return types.Value{}, err
		}
		many = many || path.Many()
		path.Select(doc, false, func(v *jsondoc.Value, _ []byte) bool {
			found.Items = append(found.Items, v)
			return true
		})
	}
	switch {
	case len(found.Items) == 0:
		return types.Value{}, nil
	case !many:
		found = found.Items[0]
	}
	return types.NewBytes(found.Append(nil)), nil
}

// target returns the document of argument 0, or what a path as argument i leads to in it.
func (c *nativeCall) target(i int) (*jsondoc.Value, error) {
	doc, err := c.document(0)
	if err != nil || i >= len(c.args) {
		return doc, err
	}
	return c.at(doc, i)
}

func jsonKeys(c *nativeCall) (types.Value, error) {
	doc, err := c.target(1)
	if err != nil || doc == nil || doc.Kind != jsondoc.Object {
		return types.Value{}, err
	}
	keys := &jsondoc.Value{Kind: jsondoc.Array}
	for _, m := range doc.Members {
		keys.Items = append(keys.Items, jsondoc.NewString([]byte(m.Key)))
	}
	return jsonResult(keys)
}

// oneOrAll reads argument 1, 'one' or 'all'.
func (c *nativeCall) oneOrAll() (one bool, err error) {
	switch text := bytes.ToLower(types.AppendText(nil, c.types[1], c.args[1])); string(text) {
	case "one":
		return true, nil
	case "all":
		return false, nil
	}
	return false, sqlerr.JSONOneOrAll.New("The oneOrAll argument to %s may take these values: 'one' or 'all'.", c.name)
}

func jsonSearch(c *nativeCall) (types.Value, error) {
	for i, a := range c.args {
		if a.IsNull() && i != 3 { // that is the escape character, by default a backslash
			return types.Value{}, nil
		}
	}
	doc, err := c.document(0)
	if err != nil {
		return types.Value{}, err
	}
	one, err := c.oneOrAll()
	if err != nil {
		return types.Value{}, err
	}
	escape := '\\'
	if len(c.args) > 3 && !c.args[3].IsNull() {
		switch r := []rune(string(types.AppendText(nil, c.types[3], c.args[3]))); len(r) {
		case 0:
		case 1:
			escape = r[0]
		default:
			return types.Value{}, sqlerr.WrongArguments.New("Incorrect arguments to ESCAPE")
		}
	}
	pattern := types.AppendText(nil, c.types[2], c.args[2])
	match := colldata.Lookup(collations.CollationUtf8mb4BinID).Wildcard(pattern, '_', '%', escape).Match
	found := &jsondoc.Value{Kind: jsondoc.Array}
	seen := map[string]bool{}
	visit := func(at []byte) bool {
		if path := string(at); !seen[path] {
			seen[path] = true
			found.Items = append(found.Items, jsondoc.NewString([]byte(path)))
		}
		return !one
	}
	if len(c.args) < 5 {
		jsondoc.Search(doc, []byte{'$'}, match, visit)
	}
	for i := 4; i < len(c.args) && !(one && len(found.Items) > 0); i++ {
		path, err := c.path(i)
		if err != nil {
			return types.Value{}, err
		}
		path.Select(doc, true, func(v *jsondoc.Value, at []byte) bool {
			return jsondoc.Search(v, at, match, visit)
		})
	}
	switch len(found.Items) {
	case 0:
		return types.Value{}, nil
	case 1:
		found = found.Items[0]
	}
	return jsonResult(found)
}

func jsonRemove(c *nativeCall) (types.Value, error) {
	doc, err := c.document(0)
	if err != nil {
		return types.Value{}, err
	}
	for i := 1; i < len(c.args); i++ {
		path, err := c.path(i)
		if err != nil {
			return types.Value{}, err
		}
		if err := path.Apply(jsondoc.Remove, doc, nil); err != nil {
			return types.Value{}, err
		}
	}
	return jsonResult(doc)
}

// jsonApply is JSON_SET and its kin.
func jsonApply(how jsondoc.Change) func(c *nativeCall) (types.Value, error) {
	return func(c *nativeCall) (types.Value, error) {
		for i := 0; i < len(c.args); i++ {
			if c.args[i].IsNull() && (i == 0 || i%2 == 1) {
				return types.Value{}, nil
			}
		}
		doc, err := c.document(0)
		if err != nil {
			return types.Value{}, err
		}
		for i := 1; i+1 < len(c.args); i += 2 {
			path, err := c.path(i)
			if err != nil {
				return types.Value{}, err
			}
			if err := path.Apply(how, doc, c.value(i+1)); err != nil {
				return types.Value{}, err
			}
		}
		return jsonResult(doc)
	}
}

func jsonMerge(c *nativeCall) (types.Value, error) {
	var doc *jsondoc.Value
	for i := range c.args {
		next, err := c.document(i)
		if err != nil {
			return types.Value{}, err
		}
		if doc == nil {
			doc = next
		} else {
			doc = jsondoc.MergePreserve(doc, next)
		}
	}
	return jsonResult(doc)
}

// jsonMergePatch takes a SQL NULL as unknown until a document that is no object takes its
// place.
func jsonMergePatch(c *nativeCall) (types.Value, error) {
	var doc *jsondoc.Value
	for i := range c.args {
		if c.args[i].IsNull() {
			doc = nil
			continue
		}
		next, err := c.document(i)
		switch {
		case err != nil:
			return types.Value{}, err
		case i == 0 || next.Kind != jsondoc.Object:
			doc = next
		case doc != nil:
			doc = jsondoc.MergePatch(doc, next)
		}
	}
	if doc == nil {
		return types.Value{}, nil
	}
	return jsonResult(doc)
}

func jsonContains(c *nativeCall) (types.Value, error) {
	item, err := c.document(1)
	if err != nil {
		return types.Value{}, err
	}
	doc, err := c.target(2)
	if err != nil || doc == nil {
		return types.Value{}, err
	}
	return types.NewBool(doc.Contains(item)), nil
}

func jsonContainsPath(c *nativeCall) (types.Value, error) {
	doc, err := c.document(0)
	if err != nil {
		return types.Value{}, err
	}
	one, err := c.oneOrAll()
	if err != nil {
		return types.Value{}, err
	}
	for i := 2; i < len(c.args); i++ {
		path, err := c.path(i)
		if err != nil {
			return types.Value{}, err
		}
		if found := path.First(doc) != nil; found == one {
			return types.NewBool(one), nil
		}
	}
	return types.NewBool(!one), nil
}

func jsonOverlaps(c *nativeCall) (types.Value, error) {
	a, b, err := c.documents()
	if err != nil {
		return types.Value{}, err
	}
	return types.NewBool(jsondoc.Overlaps(a, b)), nil
}

func jsonMemberOf(c *nativeCall) (types.Value, error) {
	doc, err := c.document(1)
	if err != nil {
		return types.Value{}, err
	}
	return types.NewBool(doc.Has(c.value(0))), nil
}

func jsonValid(c *nativeCall) (types.Value, error) {
	if t := c.types[0]; t.Kind != types.JSON && !t.IsText() {
		return types.NewBool(false), nil
	}
	_, err := c.document(0)
	return types.NewBool(err == nil), nil
}

func jsonType(c *nativeCall) (types.Value, error) {
	doc, err := c.document(0)
	if err != nil {
		return types.Value{}, err
	}
	return types.NewString(doc.TypeName()), nil
}

func jsonPretty(c *nativeCall) (types.Value, error) {
	doc, err := c.document(0)
	if err != nil {
		return types.Value{}, err
	}
	return types.NewBytes(doc.AppendPretty(nil, 0)), nil
}

func jsonDepth(c *nativeCall) (types.Value, error) {
	doc, err := c.document(0)
	if err != nil {
		return types.Value{}, err
	}
	return types.NewInt(int64(doc.Depth())), nil
}

func jsonLength(c *nativeCall) (types.Value, error) {
	doc, err := c.target(1)
	if err != nil || doc == nil {
		return types.Value{}, err
	}
	return types.NewInt(int64(doc.Len())), nil
}

func jsonStorageSize(c *nativeCall) (types.Value, error) {
	doc, err := c.document(0)
	if err != nil {
		return types.Value{}, err
	}
	return types.NewInt(int64(len(doc.Append(nil)))), nil
}

func jsonStorageFree(c *nativeCall) (types.Value, error) {
	_, err := c.document(0)
	return types.NewInt(0), err
}

// jsonCast is CAST(… AS JSON): text is read, other values are made JSON's.
func jsonCast(c *nativeCall) (types.Value, error) {
	if t := c.types[0]; !t.IsString() || t.IsSpatial() {
		return jsonOf(c)
	}
	doc, err := c.document(0)
	if err != nil {
		return types.Value{}, err
	}
	return jsonResult(doc)
}

// jsonDocument is what JSON_TABLE reads.
func jsonDocument(c *nativeCall) (types.Value, error) {
	if c.types[0].Kind == types.JSON {
		return c.args[0], nil
	}
	doc, err := c.document(0)
	if err != nil {
		return types.Value{}, err
	}
	return jsonResult(doc)
}

// JSONDocument returns e as the document that JSON_TABLE reads.
func JSONDocument(e Expr) (Expr, error) {
	return newNative("json_table", natives["json_table"], []Expr{e})
}

// jsonOf is a value as JSON compares it: text is a string.
func jsonOf(c *nativeCall) (types.Value, error) {
	return types.NewBytes(types.AppendJSON(nil, c.types[0], c.args[0])), nil
}

// toJSON returns e as JSON compares it.
func toJSON(e Expr) (Expr, error) {
	if k := e.Type().Kind; k == types.JSON || k == types.Null {
		return e, nil
	}
	return newNative("json_of", natives["json_of"], []Expr{e})
}

// jsonValue binds JSON_VALUE.
func (b *Binder) jsonValue(n *sqlparser.JSONValueExpr) (Expr, error) {
	args, err := b.list([]sqlparser.Expr{n.JSONDoc, n.Path})
	if err != nil {
		return nil, err
	}
	t := types.Type{Kind: types.VarChar, Size: 512, Scale: types.TextType.Scale, Collation: types.DefaultCollation}
	if n.ReturningType != nil {
		if t, err = castType(n.ReturningType); err != nil {
			return nil, err
		}
	}
	f := &native{args: anyArg, result: t, typed: func([]Expr) types.Type { return t }}
	var answers [2]jsonAnswer
	for i, r := range []*sqlparser.JtOnResponse{n.EmptyOnResponse, n.ErrorOnResponse} {
		if answers[i], err = b.jsonAnswer(r, t); err != nil {
			return nil, err
		}
	}
	f.eval = func(c *nativeCall) (types.Value, error) { return jsonValue(c, t, answers[0], answers[1]) }
	return newNative("json_value", f, args)
}

// jsonAnswer is what ON EMPTY and ON ERROR ask for: an error, or a value, by default
// NULL.
type jsonAnswer struct {
	fails bool
	value types.Value
}

func (b *Binder) jsonAnswer(r *sqlparser.JtOnResponse, t types.Type) (a jsonAnswer, err error) {
	if r == nil {
		return a, nil
	}
	switch r.ResponseType {
	case sqlparser.ErrorJSONType:
		a.fails = true
	case sqlparser.DefaultJSONType:
		e, err := b.bind(r.Expr)
		if err != nil {
			return a, err
		}
		l, ok := Fold(e).(*Literal)
		if !ok {
			return a, sqlerr.Unsupported("DEFAULT of JSON_VALUE that is no constant")
		}
		a.value, err = types.Assign(&types.Target{Type: t, Column: "json_value", Row: 1}, l.T, l.Value)
		return a, err
	}
	return a, nil
}

func jsonValue(c *nativeCall, t types.Type, empty, failed jsonAnswer) (types.Value, error) {
	fail := func(err error) (types.Value, error) {
		if failed.fails {
			return types.Value{}, err
		}
		return failed.value, nil
	}
	doc, err := c.document(0)
	if err != nil {
		return fail(err)
	}
	v, err := c.at(doc, 1)
	switch {
	case err != nil:
		return types.Value{}, err
	case v == nil && empty.fails:
		return types.Value{}, sqlerr.MissingJSONValue.New("No value was found by 'json_value' on the specified path.")
	case v == nil:
		return empty.value, nil
	}
	value, err := v.Assign(&types.Target{Type: t, Column: "json_value", Row: 1, Zone: c.env.zone(), Now: c.env.Now})
	if err != nil {
		return fail(err)
	}
	return value, nil
}
