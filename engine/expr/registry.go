package expr

import (
	_ "embed"
	"slices"
	"strings"
	"sync"
	"unicode"

	"github.com/kalamgo/kalam/engine/sqlerr"
)

// functionList lists every function of MySQL 8.0, and those that Kalam adds, by
// groups: "SYNTAX :: what it gives :: examples". One that begins with ! is refused, one
// with + is Kalam's own.
//
//go:embed functions.txt
var functionList string

// Function is a function or operator as the list has it.
type Function struct {
	Name     string // in lower case; "" of an operator
	Group    string
	Syntax   string
	Doc      string
	Examples string // a select list
	Refused  bool   // MySQL has it, Kalam does not
	Own      bool   // Kalam has it, MySQL does not

	counted  bool // its arguments are a plain list
	min, max int  // and so many; max -1: any number
}

// Functions returns the list of functions, which is not to be changed.
var Functions = sync.OnceValue(func() []Function {
	var list []Function
	group := ""
	for line := range strings.Lines(functionList) {
		line = strings.TrimSpace(line)
		switch {
		case line == "":
		case strings.HasPrefix(line, "# "):
			group = line[2:]
		default:
			list = append(list, parseFunction(line, group))
		}
	}
	return list
})

func parseFunction(line, group string) Function {
	f := Function{Group: group, Refused: line[0] == '!', Own: line[0] == '+'}
	parts := strings.SplitN(strings.TrimLeft(line, "!+"), " :: ", 3)
	f.Syntax, f.Doc = parts[0], parts[1]
	if len(parts) == 3 {
		f.Examples = parts[2]
	}
	name, args, call := strings.Cut(f.Syntax, "(")
	if call && name != "" && strings.Trim(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789") == "" {
		f.Name = strings.ToLower(name)
		f.countArguments(strings.TrimSuffix(args, ")"))
	}
	return f
}

// countArguments sets how many arguments a function has, if its syntax has them as a
// plain list.
func (f *Function) countArguments(args string) {
	if strings.ContainsAny(args, "*)ABCDEFGHIJKLMNOPQRSTUVWXYZ") {
		return
	}
	names := func(s string) int {
		return len(strings.FieldsFunc(s, func(r rune) bool { return !unicode.IsLetter(r) && r != '_' }))
	}
	f.counted = true
	f.min, f.max = names(args[:strings.IndexAny(args+"[", "[…")]), names(args)
	if strings.Contains(args, "…") {
		f.max = -1
	}
}

// Arguments returns how many arguments the function has, high -1 for any number; ok is
// false where they are no plain list.
func (f *Function) Arguments() (low, high int, ok bool) { return f.min, f.max, f.counted }

var functionsByName = sync.OnceValue(func() map[string]*Function {
	byName := map[string]*Function{}
	for i, f := range Functions() {
		if f.Name != "" {
			byName[f.Name] = &Functions()[i]
		}
	}
	return byName
})

// checkFunction returns the error of calling name with count arguments, if there
// is one by that: it does not exist, is not here, or wants another number.
func checkFunction(name string, count int) error {
	f := functionsByName()[name]
	switch {
	case f == nil && strings.HasPrefix(name, "st_"), f != nil && f.Refused:
		return sqlerr.Unsupported("%s", construct(name))
	case f == nil:
		return sqlerr.UnknownFunction.New("FUNCTION %s does not exist", name)
	case f.counted && (count < f.min || f.max >= 0 && count > f.max):
		return wrongParamCount(name)
	}
	return nil
}

// Groups returns the groups of functions in the list's order.
func Groups() []string {
	var groups []string
	for _, f := range Functions() {
		if !slices.Contains(groups, f.Group) {
			groups = append(groups, f.Group)
		}
	}
	return groups
}
