package expr

import "github.com/kalamgo/kalam/engine/types"

// UserVariables are the @variables of a session, by their names in lower case.
type UserVariables interface {
	Get(name string) (types.Type, types.Value)
	Set(name string, t types.Type, v types.Value)
}

// userVariable reads an @variable where its type is not known before: in bodies of
// triggers, which are planned for all sessions. It is a text there.
func userVariable(name string) *native {
	return &native{result: types.TextType, perRow: true, session: true, eval: func(c *nativeCall) (types.Value, error) {
		if c.env.Variables == nil {
			return types.Value{}, nil
		}
		t, v := c.env.Variables.Get(name)
		if v.IsNull() {
			return types.Value{}, nil
		}
		return types.NewBytes(types.AppendText(nil, t, v)), nil
	}}
}
