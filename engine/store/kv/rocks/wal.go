//go:build cgo

package rocks

import (
	"cmp"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/kalamgo/kalam/engine/sqlerr"
)

// A write-ahead log is made of blocks that hold fragments of records. Each
// fragment starts with its masked CRC-32C (of type and payload), 2 bytes
// length and its type; little endian. A block's last bytes, when too few for a
// header, are zero. See RocksDB's db/log_format.h.
const (
	logBlock  = 32 * kib
	logHeader = 7
	crcDelta  = 0xa282ead8
)

// Fragment types.
const (
	fullFragment  = 1
	firstFragment = 2
	lastFragment  = 4
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// checkLogs returns sqlerr.Corrupt when the logs of dir have damage that a
// record follows: RocksDB, opening, would leave that record out and say
// nothing. Damage at the end is what a crash leaves of the last write, which
// nobody was told is done; RocksDB leaves it out rightly.
func checkLogs(dir string) error {
	logs, err := filepath.Glob(filepath.Join(dir, "[0-9]*.log"))
	if err != nil {
		return nil // dir has a bad pattern in it: nothing to tell
	}
	slices.SortFunc(logs, func(a, b string) int { // numbers grow longer
		return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b))
	})
	damaged := "" // the log that has the first damage
	for _, name := range logs {
		torn, followed, err := checkLog(name, damaged != "")
		if err != nil {
			return sqlerr.CantOpen.Wrap(err, "cannot open database %q: %v", dir, err)
		}
		if torn && damaged == "" {
			damaged = name
		}
		if followed {
			return sqlerr.Corrupt.New("database %q is damaged: writes follow a broken one in its log %s", dir, filepath.Base(damaged))
		}
	}
	return nil
}

// checkLog reads one log. It reports whether it has damage, and whether a
// record starts after damage, in this log or, when told so, one before.
func checkLog(name string, damagedBefore bool) (damaged, followed bool, err error) {
	f, err := os.Open(name)
	if err != nil {
		return false, false, err
	}
	defer f.Close()
	damaged = damagedBefore
	block := make([]byte, logBlock)
	for {
		n, err := io.ReadFull(f, block)
		if n == 0 && err == io.EOF {
			return damaged, false, nil
		}
		if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
			return false, false, err
		}
		for rest := block[:n]; len(rest) > 0; {
			kind, size := fragment(rest)
			if size == 0 {
				// Not a fragment: the block's unused end, or damage, after
				// which the next one may stand anywhere.
				if len(rest) >= logHeader || n < logBlock {
					damaged = true
				}
				rest = rest[1:]
				for len(rest) > 0 && size == 0 {
					if _, size = fragment(rest); size == 0 {
						rest = rest[1:]
					}
				}
				continue
			}
			if damaged && (kind == fullFragment || kind == firstFragment) {
				return true, true, nil
			}
			rest = rest[size:]
		}
	}
}

// fragment returns the type and size of the fragment that p starts with, size 0
// when there is none.
func fragment(p []byte) (kind byte, size int) {
	if len(p) < logHeader {
		return 0, 0
	}
	kind, size = p[6], logHeader+int(binary.LittleEndian.Uint16(p[4:]))
	if kind < fullFragment || kind > lastFragment || size > len(p) {
		return 0, 0
	}
	crc := crc32.Checksum(p[6:size], castagnoli)
	if (crc>>15|crc<<17)+crcDelta != binary.LittleEndian.Uint32(p) {
		return 0, 0
	}
	return kind, size
}
