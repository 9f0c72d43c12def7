//go:build cgo

package rocks

// #include <stdlib.h>
// #include "native.h"
import "C"

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"github.com/kalamgo/kalam/engine/sqlerr"
)

// RocksDB takes a manifest that was cut off at a record's end, or within its last, for
// whole: it opens the database as it was earlier and removes what it knows nothing of. So
// the length that the manifest has at least is kept in a file beside it: at opening
// and closing, and soon after it has grown. The file is written without waiting for the
// disk; one that is not whole says nothing.

// manifestNote is the name of that file:
//
//	MANIFEST-000005 1234 CRC-32 of what is before, in hexadecimal
const manifestNote = "kalam-manifest"

// noteEvery is how often to look whether the manifest has grown, while there are writes.
const noteEvery = 250 * time.Millisecond

// checkManifest returns sqlerr.Corrupt when the manifest of dir is shorter than it
// was, or an older one than there was.
func checkManifest(dir string) error {
	content, err := os.ReadFile(filepath.Join(dir, manifestNote))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return sqlerr.CantOpen.Wrap(err, "cannot open database %q: %v", dir, err)
	}
	noted, size, ok := parseNote(string(content))
	if !ok {
		return nil
	}
	name, err := currentManifest(dir)
	if err != nil {
		return nil // RocksDB will tell
	}
	if manifestNumber(name) < manifestNumber(noted) {
		return sqlerr.Corrupt.New("database %q is damaged: its file CURRENT names %s, which is older than %s", dir, name, noted)
	}
	info, err := os.Stat(filepath.Join(dir, name))
	if err == nil && name == noted && info.Size() < size {
		return sqlerr.Corrupt.New("database %q is damaged: its file %s has %d bytes of at least %d", dir, name, info.Size(), size)
	}
	return nil
}

// NotedWhole reports whether the manifest of dir is known to be as long as it was when that
// was noted last.
func NotedWhole(dir string) bool {
	content, err := os.ReadFile(filepath.Join(dir, manifestNote))
	noted, size, ok := parseNote(string(content))
	if err != nil || !ok {
		return false
	}
	info, err := os.Stat(filepath.Join(dir, noted))
	name, _ := currentManifest(dir)
	return err == nil && info.Size() >= size && (name == "" || name == noted)
}

func parseNote(text string) (name string, size int64, ok bool) {
	f := strings.Fields(text)
	if len(f) != 3 || text != formatNote(f[0], f[1]) {
		return "", 0, false
	}
	size, err := strconv.ParseInt(f[1], 10, 64)
	return f[0], size, err == nil && manifestNumber(f[0]) > 0
}

func formatNote(name, size string) string {
	text := name + " " + size
	return fmt.Sprintf("%s %08x\n", text, crc32.ChecksumIEEE([]byte(text)))
}

// currentManifest returns the name of the manifest that is in use.
func currentManifest(dir string) (string, error) {
	content, err := os.ReadFile(filepath.Join(dir, "CURRENT"))
	name := strings.TrimSuffix(string(content), "\n")
	if err == nil && manifestNumber(name) == 0 {
		err = errors.New("CURRENT is damaged")
	}
	return name, err
}

// manifestNumber returns the number in a manifest's name, 0 if it is none.
func manifestNumber(name string) uint64 {
	digits, ok := strings.CutPrefix(name, "MANIFEST-")
	n, err := strconv.ParseUint(digits, 10, 64)
	if !ok || err != nil {
		return 0
	}
	return n
}

// keepsNote reports whether the length of the manifest is noted.
func (db *DB) keepsNote() bool {
	return !db.cfg.InMemory && !db.cfg.ReadOnly && !db.cfg.Salvage && !db.cfg.Scratch
}

// noteManifest notes the length of the manifest if it has grown. What fails is tried
// again the next time: an older note is none that is wrong. The C library is called,
// as RocksDB calls it, so that conformance/crash sees it.
func (db *DB) noteManifest() {
	db.noting.Lock()
	defer db.noting.Unlock()
	dir := db.cfg.Path
	name, err := currentManifest(dir)
	if err != nil {
		return
	}
	path := filepath.Join(dir, name)
	if info, err := os.Stat(path); err != nil || name == db.noted && info.Size() <= db.notedSize {
		return
	}
	cPath, cTemp, cNote := C.CString(path), C.CString(filepath.Join(dir, manifestNote+".dbtmp")), C.CString(filepath.Join(dir, manifestNote))
	defer C.free(unsafe.Pointer(cPath))
	defer C.free(unsafe.Pointer(cTemp))
	defer C.free(unsafe.Pointer(cNote))
	size := int64(C.kalam_sync_file(cPath))
	if size < 0 {
		return
	}
	text := []byte(formatNote(name, strconv.FormatInt(size, 10)))
	if C.kalam_replace_file(cTemp, cNote, chars(text), C.size_t(len(text))) == 0 {
		db.noted, db.notedSize = name, size
	}
}

// wrote is called after a write: it sees now and then to the note. The caller holds mu.
func (db *DB) wrote() {
	if !db.keepsNote() {
		return
	}
	now := time.Since(db.opened).Nanoseconds()
	due := db.noteDue.Load()
	if now < due || !db.noteDue.CompareAndSwap(due, now+noteEvery.Nanoseconds()) {
		return
	}
	db.freeing.Go(db.noteManifest)
}
