package backup

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kalamgo/kalam/engine/sqlerr"
)

// source makes a directory with files.
func source(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		write(t, filepath.Join(dir, name), content)
	}
	return dir
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func open(t *testing.T, path string, create bool) *Dir {
	t.Helper()
	d, err := Open(path, create)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

func create(t *testing.T, path, from string) *Result {
	t.Helper()
	d := open(t, path, true)
	defer d.Close()
	r, err := d.Create(t.Context(), from, Manifest{Source: "one"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func content(t *testing.T, dir string) map[string]string {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for _, f := range list {
		text, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		found[f.Name()] = string(text)
	}
	return found
}

func TestIncremental(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "b")
	from := source(t, map[string]string{"1.sst": "first", "2.sst": "second", "CURRENT": "c1", "LOCK": "", "LOG": "log"})
	if r := create(t, path, from); r.Number != 1 || r.CopiedFiles != 3 || r.CopiedBytes != 13 {
		t.Errorf("first: %+v", r)
	}
	write(t, filepath.Join(from, "3.sst"), "third")
	write(t, filepath.Join(from, "CURRENT"), "c2")
	os.Remove(filepath.Join(from, "1.sst"))
	if r := create(t, path, from); r.Number != 2 || r.CopiedFiles != 2 || r.CopiedBytes != 7 || len(r.Files) != 3 {
		t.Errorf("second: %+v", r)
	}
	d := open(t, path, false)
	for n, want := range map[int]map[string]string{
		1: {"1.sst": "first", "2.sst": "second", "CURRENT": "c1"},
		0: {"2.sst": "second", "3.sst": "third", "CURRENT": "c2"},
	} {
		m, err := d.Manifest(n)
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Verify(t.Context(), m, nil); err != nil {
			t.Error(err)
		}
		var last Progress
		out := filepath.Join(t.TempDir(), "out")
		if err := d.Extract(t.Context(), m, out, func(p Progress) { last = p }); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, content(t, out)); diff != "" {
			t.Error(diff)
		}
		if last.Done != last.Total || last.Total != m.Bytes() {
			t.Errorf("progress %+v of %d", last, m.Bytes())
		}
	}
	d.Close()
	d = open(t, path, true)
	if err := d.Purge(1); err != nil {
		t.Fatal(err)
	}
	if n, err := d.Numbers(); err != nil || len(n) != 1 || n[0] != 2 {
		t.Errorf("after Purge: %v, %v", n, err)
	}
	if n := len(content(t, filepath.Join(path, filesDir))); n != 3 {
		t.Errorf("after Purge: %d files", n)
	}
}

// A file of the same name and size with other content is another one.
func TestSameName(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "b")
	create(t, path, source(t, map[string]string{"1.sst": "first"}))
	if r := create(t, path, source(t, map[string]string{"1.sst": "fir5t"})); r.CopiedFiles != 1 {
		t.Errorf("got %+v", r)
	}
}

func TestDamage(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		do   func(t *testing.T, path string)
		want error
	}{
		"content changed":    {func(t *testing.T, path string) { eachFile(t, path, func(p string) { write(t, p, "other") }) }, sqlerr.Corrupt},
		"content cut":        {func(t *testing.T, path string) { eachFile(t, path, func(p string) { write(t, p, "") }) }, sqlerr.Corrupt},
		"content missing":    {func(t *testing.T, path string) { eachFile(t, path, func(p string) { os.Remove(p) }) }, sqlerr.Corrupt},
		"manifest cut":       {func(t *testing.T, path string) { write(t, filepath.Join(path, "000001.json"), "{") }, sqlerr.Corrupt},
		"manifest missing":   {func(t *testing.T, path string) { os.Remove(filepath.Join(path, "000001.json")) }, sqlerr.NotABackup},
		"magic of another":   {func(t *testing.T, path string) { write(t, filepath.Join(path, magicFile), "hello") }, sqlerr.NotABackup},
		"magic missing":      {func(t *testing.T, path string) { os.Remove(filepath.Join(path, magicFile)) }, sqlerr.NotABackup},
		"a newer format":     {func(t *testing.T, path string) { write(t, filepath.Join(path, magicFile), magic+"2\n") }, sqlerr.NewerFormat},
		"nothing at all":     {func(t *testing.T, path string) { os.RemoveAll(path) }, sqlerr.NotABackup},
		"manifest one digit": {func(t *testing.T, path string) { flip(t, filepath.Join(path, "000001.json")) }, sqlerr.Corrupt},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "b")
			create(t, path, source(t, map[string]string{"1.sst": "first"}))
			c.do(t, path)
			out := filepath.Join(t.TempDir(), "out")
			err := func() error {
				d, err := Open(path, false)
				if err != nil {
					return err
				}
				defer d.Close()
				m, err := d.Manifest(0)
				if err != nil {
					return err
				}
				if err := d.Verify(t.Context(), m, nil); !errors.Is(err, c.want) {
					t.Errorf("Verify: %v", err)
				}
				return d.Extract(t.Context(), m, out, nil)
			}()
			if !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
			if _, err := os.Stat(out); err == nil {
				t.Error("something was extracted")
			}
		})
	}
}

func flip(t *testing.T, path string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text[len(text)/2] ^= 1
	write(t, path, string(text))
}

func eachFile(t *testing.T, path string, f func(string)) {
	t.Helper()
	for name := range content(t, filepath.Join(path, filesDir)) {
		f(filepath.Join(path, filesDir, name))
	}
}

func TestForeignDirectory(t *testing.T) {
	t.Parallel()
	dir := source(t, map[string]string{"letter.txt": "dear"})
	if _, err := Open(dir, true); !errors.Is(err, sqlerr.NotABackup) {
		t.Errorf("got %v", err)
	}
}

func TestInUse(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "b")
	open(t, path, true)
	for _, create := range []bool{true, false} {
		if _, err := Open(path, create); !errors.Is(err, sqlerr.BackupInUse) {
			t.Errorf("got %v", err)
		}
	}
}

// What is interrupted leaves no backup, and no file in the way of the next.
func TestCancelled(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "b")
	from := source(t, map[string]string{"1.sst": "first", "2.sst": "second"})
	d := open(t, path, true)
	ctx, cancel := context.WithCancel(t.Context())
	if _, err := d.Create(ctx, from, Manifest{}, func(Progress) { cancel() }); !errors.Is(err, sqlerr.Interrupted) || !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if _, err := d.Manifest(0); !errors.Is(err, sqlerr.NotABackup) {
		t.Errorf("got %v", err)
	}
	if _, err := d.Create(t.Context(), from, Manifest{}, nil); err != nil {
		t.Error(err)
	}
	if err := d.Purge(0); err != nil {
		t.Error(err)
	}
	if n := len(content(t, filepath.Join(path, filesDir))); n != 2 {
		t.Errorf("%d files", n)
	}
}
