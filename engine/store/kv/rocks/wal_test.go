//go:build cgo

package rocks

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/kalamgo/kalam/engine/sqlerr"
)

func FuzzCheckLogs(f *testing.F) {
	dir := f.TempDir()
	filled(f, dir)
	names, err := filepath.Glob(filepath.Join(dir, "*.log"))
	if err != nil || len(names) != 1 {
		f.Fatal(names, err)
	}
	content := must(os.ReadFile(names[0]))
	f.Add(content, []byte{})
	f.Add(content[:len(content)-3], content)
	f.Add(append([]byte{0}, content...), []byte{})
	f.Fuzz(func(t *testing.T, first, second []byte) {
		dir := t.TempDir()
		writeFile(t, filepath.Join(dir, "000004.log"), string(first))
		writeFile(t, filepath.Join(dir, "000012.log"), string(second))
		files, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		if err := checkLogs(dir, files); err != nil && !errors.Is(err, sqlerr.Corrupt) {
			t.Error(err)
		}
	})
}
