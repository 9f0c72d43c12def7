//go:build !cgo

package store

import (
	"errors"
	"testing"

	"github.com/kalamgo/kalam/engine/sqlerr"
)

func nativeSetups() []setup { return nil }

func TestOpenWithoutCgo(t *testing.T) {
	t.Parallel()
	if _, err := Open(Config{Path: t.TempDir(), Create: true}); !errors.Is(err, sqlerr.CantOpen) {
		t.Errorf("a path: %v", err)
	}
	db, err := Open(Config{InMemory: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
}
