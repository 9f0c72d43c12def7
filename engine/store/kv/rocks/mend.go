//go:build cgo

package rocks

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"

	"github.com/kalamgo/kalam/engine/sqlerr"
)

// RocksDB does not open a database one table file of which is missing, cut off, or broken
// in its index. Its repair makes a new manifest, without levels: it refuses files that
// compactions have made of others, as it would not know which are newer. So a salvage
// takes such a file out of the manifest, and leaves the others at their levels.

// openMending opens a copy, without the table files that keep RocksDB from it.
func (db *DB) openMending(open func() error) error {
	if err := db.findManifest(); err != nil {
		return err
	}
	gone := map[uint64]bool{}
	for {
		err := open()
		if err == nil {
			return nil
		}
		file := namedTable(err)
		if file == 0 || gone[file] {
			return err
		}
		gone[file] = true
		if dropTable(db.cfg.Path, file) != nil {
			return err
		}
		db.cfg.Damaged(sqlerr.Corrupt.New("table file %06d.sst is left out: %v", file, err))
	}
}

var tableFile = regexp.MustCompile(`\b(\d+)\.(?:sst|ldb)\b`)

// namedTable returns the number of the table file that an error tells of, 0 if none.
func namedTable(err error) uint64 {
	m := tableFile.FindStringSubmatch(err.Error())
	if m == nil {
		return 0
	}
	n, _ := strconv.ParseUint(m[1], 10, 64)
	return n
}

// findManifest makes a CURRENT that names the newest manifest where there is none.
func (db *DB) findManifest() error {
	dir := db.cfg.Path
	_, err := currentManifest(dir)
	if err == nil {
		return nil
	}
	files, e := filepath.Glob(filepath.Join(dir, "MANIFEST-*"))
	if e != nil || len(files) == 0 {
		return nil // RocksDB will tell
	}
	newest := filepath.Base(slices.MaxFunc(files, func(a, b string) int {
		return cmp.Compare(manifestNumber(filepath.Base(a)), manifestNumber(filepath.Base(b)))
	}))
	if manifestNumber(newest) == 0 {
		return nil
	}
	db.cfg.Damaged(sqlerr.Corrupt.New("CURRENT can't be read, %s is taken: %v", newest, err))
	return os.WriteFile(filepath.Join(dir, "CURRENT"), []byte(newest+"\n"), 0o600)
}

// dropTable appends to the manifest of dir that a table file is no longer part of it.
func dropTable(dir string, file uint64) error {
	name, err := currentManifest(dir)
	if err != nil {
		return err
	}
	path := filepath.Join(dir, name)
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	at, err := placeOf(content, file)
	if err != nil {
		return err
	}
	edit := binary.AppendUvarint(nil, tagColumnFamily)
	edit = binary.AppendUvarint(edit, at.family)
	edit = binary.AppendUvarint(edit, tagDeletedFile)
	edit = binary.AppendUvarint(edit, at.level)
	edit = binary.AppendUvarint(edit, file)
	return os.WriteFile(path, appendRecord(content, edit), 0o600)
}

// place is where in a database a table file is.
type place struct{ family, level uint64 }

// The tags of a version edit's fields; see RocksDB's db/version_edit.h.
const (
	tagComparator    = 1
	tagCompactCursor = 5
	tagDeletedFile   = 6
	tagNewFile       = 103
	tagColumnFamily  = 200
	tagFamilyAdd     = 201
	tagFamilyDrop    = 202
	tagSafeIgnore    = 1 << 13
)

// placeOf finds a table file in a manifest.
func placeOf(manifest []byte, file uint64) (at place, err error) {
	found := false
	for _, r := range records(manifest) {
		e := edit{p: r}
		var family uint64
		var here []uint64 // level, file
		removed := false
		for len(e.p) > 0 && e.err == nil {
			switch tag := e.number(); tag {
			case tagDeletedFile:
				e.number()
				removed = removed || e.number() == file
			case tagNewFile:
				level, n := e.number(), e.number()
				if n == file {
					here = []uint64{level, n}
				}
				e.number() // its size
				e.skip()
				e.skip() // its first and last keys
				e.number()
				e.number()           // their sequence numbers
				for e.number() > 1 { // 1 ends the list
					e.skip()
				}
			case tagColumnFamily:
				family = e.number()
			case tagFamilyDrop:
			case tagCompactCursor:
				e.number()
				e.skip()
			case 2, 3, 4, 9, 10, 203, 300: // numbers, see version_edit.h
				e.number()
			case tagComparator, tagFamilyAdd:
				e.skip()
			default:
				if tag&tagSafeIgnore == 0 {
					return at, fmt.Errorf("unknown field %d in a manifest", tag)
				}
				e.skip()
			}
		}
		if e.err != nil {
			return at, e.err
		}
		if removed {
			found = false
		}
		if here != nil {
			at, found = place{family, here[0]}, true
		}
	}
	if !found {
		return at, errors.New("the manifest does not have the file")
	}
	return at, nil
}

// edit reads the fields of a version edit.
type edit struct {
	p   []byte
	err error
}

func (e *edit) number() uint64 {
	n, size := binary.Uvarint(e.p)
	if size <= 0 {
		e.p, e.err = nil, errors.New("a record of a manifest is cut off")
		return 0
	}
	e.p = e.p[size:]
	return n
}

func (e *edit) skip() {
	if n := e.number(); n <= uint64(len(e.p)) {
		e.p = e.p[n:]
	} else {
		e.p, e.err = nil, errors.New("a record of a manifest is cut off")
	}
}

// records returns the records of a log up to the first damage.
func records(log []byte) (list [][]byte) {
	var record []byte
	for at := 0; at < len(log); {
		block := log[at:min(at+logBlock-at%logBlock, len(log))]
		kind, size := fragment(block)
		switch {
		case size == 0 && len(block) < logHeader:
			at += len(block)
			continue
		case size == 0:
			return list
		case kind == fullFragment || kind == firstFragment:
			record = nil
		}
		record = append(record, block[logHeader:size]...)
		if kind == fullFragment || kind == lastFragment {
			list = append(list, record)
		}
		at += size
	}
	return list
}

// appendRecord appends a record to a log.
func appendRecord(log, record []byte) []byte {
	for first := true; first || len(record) > 0; first = false {
		left := logBlock - len(log)%logBlock
		if left < logHeader {
			log = append(log, make([]byte, left)...)
			left = logBlock
		}
		n := min(len(record), left-logHeader)
		kind := byte(3) // in the middle
		switch last := n == len(record); {
		case first && last:
			kind = fullFragment
		case first:
			kind = firstFragment
		case last:
			kind = lastFragment
		}
		part := append([]byte{kind}, record[:n]...)
		crc := crc32.Checksum(part, castagnoli)
		log = binary.LittleEndian.AppendUint32(log, (crc>>15|crc<<17)+crcDelta)
		log = binary.LittleEndian.AppendUint16(log, uint16(n))
		log = append(log, part...)
		record = record[n:]
	}
	return log
}
