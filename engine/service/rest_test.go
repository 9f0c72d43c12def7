package service

import "testing"

func TestRest(t *testing.T) {
	t.Parallel()
	var r rest
	for i, look := range []struct {
		written uint64
		due     bool
	}{{0, true}, {60, true}, {121, false}, {121, true}, {100_000, false}, {100_001, true}} {
		if due := r.due(look.written); due != look.due {
			t.Errorf("look %d: %v", i, due)
		}
	}
}
