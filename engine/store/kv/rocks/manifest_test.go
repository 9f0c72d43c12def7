//go:build cgo

package rocks

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/store/kv"
	"github.com/kalamgo/kalam/engine/store/kv/kvtest"
)

// TestCutManifest opens databases whose manifest was cut to all kinds of lengths,
// after they were closed and while they are open.
func TestCutManifest(t *testing.T) {
	t.Parallel()
	closed, open := t.TempDir(), t.TempDir()
	filled(t, closed)
	db := mustOpen(t, Config{Path: open, Create: true})
	kvtest.Write(t, db, func(b *kv.Batch) { b.Put(kv.Data, key(1), value(1)) })
	flush(t, db)
	manifest := filepath.Base(only(t, open, "MANIFEST-*"))
	for begin := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		kvtest.Write(t, db, func(b *kv.Batch) { b.Put(kv.Data, key(2), value(2)) })
		info, err := os.Stat(filepath.Join(open, manifest))
		if err != nil {
			t.Fatal(err)
		}
		note, _ := os.ReadFile(filepath.Join(open, manifestNote))
		if name, size, ok := parseNote(string(note)); ok && name == manifest && size == info.Size() {
			break
		}
		if time.Since(begin) > 20*time.Second {
			t.Fatalf("the manifest has %d bytes, the note is %q", info.Size(), note)
		}
	}
	for name, whole := range map[string]string{"closed": closed, "open": open} {
		manifest := filepath.Base(only(t, whole, "MANIFEST-*"))
		content, err := os.ReadFile(filepath.Join(whole, manifest))
		if err != nil {
			t.Fatal(err)
		}
		copied := func(content []byte) string {
			dir := t.TempDir()
			if err := os.CopyFS(dir, os.DirFS(whole)); err != nil {
				t.Fatal(err)
			}
			writeFile(t, filepath.Join(dir, manifest), string(content))
			return dir
		}
		for n := 0; n < len(content); n += 1 + len(content)/23 {
			dir := copied(content[:n])
			for _, cfg := range []Config{{Path: dir}, {Path: dir, ReadOnly: true}, {Path: dir, Create: true}} {
				db, err := Open(cfg)
				if !errors.Is(err, sqlerr.Corrupt) || !strings.Contains(err.Error(), manifest) {
					t.Errorf("%s, %d of %d bytes: %v", name, n, len(content), err)
				}
				if db != nil {
					db.Close()
				}
			}
			// It is opened for salvage, and nothing was removed.
			var told error
			db, err := Open(Config{Path: dir, Salvage: true, Damaged: func(err error) { told = err }})
			if !errors.Is(told, sqlerr.Corrupt) {
				t.Errorf("%s, %d bytes, salvage: told %v", name, n, told)
			}
			if err == nil {
				db.Close()
			}
		}
		mustOpen(t, Config{Path: copied(content)}).Close()
		mustOpen(t, Config{Path: copied(append(bytes.Clone(content), "torn"...))}).Close()
		// A note that is not whole says nothing, as there may be none.
		for _, note := range []string{"", "MANIFEST-000099 5", "MANIFEST-000099 5 00000000\n", "\x00\x00\x00\x00"} {
			dir := copied(content)
			writeFile(t, filepath.Join(dir, manifestNote), note)
			mustOpen(t, Config{Path: dir}).Close()
			text, err := os.ReadFile(filepath.Join(dir, manifestNote))
			if _, _, ok := parseNote(string(text)); !ok || err != nil {
				t.Errorf("the note is %q, %v", text, err)
			}
		}
		// An older manifest than there was.
		dir := copied(content)
		writeFile(t, filepath.Join(dir, manifestNote), formatNote(fmt.Sprintf("MANIFEST-%06d", manifestNumber(manifest)+1), "5"))
		if _, err := Open(Config{Path: dir}); !errors.Is(err, sqlerr.Corrupt) {
			t.Errorf("an older manifest: %v", err)
		}
	}
}
