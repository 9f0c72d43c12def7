package mem_test

import (
	"testing"

	"github.com/kalamgo/kalam/engine/store/kv"
	"github.com/kalamgo/kalam/engine/store/kv/kvtest"
	"github.com/kalamgo/kalam/engine/store/kv/mem"
)

func TestContract(t *testing.T) {
	t.Parallel()
	kvtest.Run(t, func(*testing.T) kv.DB { return mem.Open() })
}
