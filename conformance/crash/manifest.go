package main

import (
	"database/sql"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"

	"github.com/kalamgo/kalam/engine/sqlerr"
)

// cutManifest cuts the manifest of a copy of the database below the length that is
// noted beside it: the copy must not open, as it would be as it was earlier. It
// reports whether there was a note to go by.
func (l *ledger) cutManifest(random *rand.Rand) (cut bool, err error) {
	note, err := os.ReadFile(filepath.Join(l.path, "kalam-manifest"))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	current, err2 := os.ReadFile(filepath.Join(l.path, "CURRENT"))
	if err := errors.Join(err, err2); err != nil {
		return false, err
	}
	var name string
	var size int64
	fmt.Sscanf(string(note), "%s %d", &name, &size)
	text := fmt.Sprintf("%s %d", name, size)
	if string(note) != fmt.Sprintf("%s %08x\n", text, crc32.ChecksumIEEE([]byte(text))) || name != strings.TrimSpace(string(current)) {
		return false, nil // the power was lost, or a newer manifest is not noted yet
	}
	dir := l.path + ".cut"
	defer os.RemoveAll(dir)
	if err := os.CopyFS(dir, os.DirFS(l.path)); err != nil {
		return false, err
	}
	length := random.Int64N(size)
	if err := os.Truncate(filepath.Join(dir, name), length); err != nil {
		return false, err
	}
	db, err := sql.Open("kalam", "file:"+dir)
	if err != nil {
		return false, err
	}
	defer db.Close()
	if err := db.Ping(); !errors.Is(err, sqlerr.Corrupt) {
		return true, fmt.Errorf("a manifest of %d bytes, cut to %d: %v", size, length, err)
	}
	return true, nil
}
