//go:build cgo

package rocks

import (
	"cmp"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"io/fs"
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

// checkLogs returns sqlerr.Corrupt when the logs among dir's files have damage
// that a record follows: RocksDB, opening, would leave that record out and say
// nothing. Damage at the end is what a crash leaves of the last write, which
// nobody was told is done; RocksDB leaves it out rightly.
//
// A log that is cut off, and followed by another, is what a power failure leaves
// where neither was synced. Had the other one been, this one had been before, and its
// length been noted in the manifest, to which RocksDB holds it.
func checkLogs(dir string, files []fs.DirEntry) error {
	logs := logsAmong(files)
	slices.SortFunc(logs, func(a, b string) int { // numbers grow longer
		return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b))
	})
	var c logCheck
	for _, name := range logs {
		if err := c.read(dir, name); err != nil {
			if err == errFollowed {
				return sqlerr.Corrupt.New("database %q is damaged: writes follow a broken one in its log %s", dir, c.damaged)
			}
			return sqlerr.CantOpen.Wrap(err, "cannot open database %q: %v", dir, err)
		}
	}
	return nil
}

// logsAmong returns the names of the logs among files.
func logsAmong(files []fs.DirEntry) (logs []string) {
	for _, f := range files {
		if contentFile.MatchString(f.Name()) && filepath.Ext(f.Name()) == ".log" {
			logs = append(logs, f.Name())
		}
	}
	return logs
}

// removeEmptyLogs removes the logs among dir's files that hold nothing: RocksDB makes one
// whenever it opens, and keeps them until it flushes a memtable.
func removeEmptyLogs(dir string, files []fs.DirEntry) error {
	for _, name := range logsAmong(files) {
		path := filepath.Join(dir, name)
		info, err := os.Stat(path)
		if err == nil && info.Size() == 0 {
			err = os.Remove(path)
		}
		if err != nil {
			return sqlerr.CantOpen.Wrap(err, "cannot open database %q: %v", dir, err)
		}
	}
	return nil
}

// logCheck reads logs in order.
type logCheck struct {
	damaged string // the log that has damage, "" when none has
	cut     bool   // the damage is that the log ends too early
	next    uint64 // sequence number after the last whole record
	head    []byte // of the present record, up to recordHeader bytes
}

// A record is a write batch, which starts with its sequence number and count.
const recordHeader = 12

var errFollowed = errors.New("a record follows damage")

// read returns errFollowed when a record starts behind damage in this log, or
// in one before. But a log that starts with the sequence number that comes
// after the last whole record was begun by a recovery from that damage.
func (c *logCheck) read(dir, name string) error {
	f, err := os.Open(filepath.Join(dir, name))
	if err != nil {
		return err
	}
	defer f.Close()
	c.head = c.head[:0]
	fresh := true // no record seen yet
	block := make([]byte, logBlock)
	for {
		n, err := io.ReadFull(f, block)
		if n == 0 && err == io.EOF {
			return nil
		}
		if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
			return err
		}
		for rest := block[:n]; len(rest) > 0; {
			kind, size := fragment(rest)
			if size == 0 {
				// The block's unused end; or damage, after which the next
				// fragment may stand anywhere.
				if len(rest) >= logHeader || n < logBlock {
					if c.damaged == "" {
						c.damaged, c.cut = name, n < logBlock && incomplete(rest)
					}
					fresh = false
				}
				for len(rest) > 0 && size == 0 {
					if rest = rest[1:]; len(rest) > 0 {
						_, size = fragment(rest)
					}
				}
				continue
			}
			if kind == fullFragment || kind == firstFragment {
				if c.damaged != "" && !fresh && (!c.cut || c.damaged == name) {
					return errFollowed
				}
				c.head = c.head[:0]
			}
			payload := rest[logHeader:size]
			c.head = append(c.head, payload[:min(len(payload), recordHeader-len(c.head))]...)
			if (kind == fullFragment || kind == lastFragment) && len(c.head) == recordHeader {
				seq := binary.LittleEndian.Uint64(c.head)
				if c.damaged != "" && fresh {
					switch {
					case seq == c.next:
						c.damaged = ""
					case !c.cut:
						return errFollowed
					}
				}
				fresh = false
				if c.damaged == "" {
					c.next = seq + uint64(binary.LittleEndian.Uint32(c.head[8:]))
				}
			}
			rest = rest[size:]
		}
	}
}

// incomplete reports whether p, the end of a log, is the start of a fragment.
func incomplete(p []byte) bool {
	return len(p) < logHeader || logHeader+int(binary.LittleEndian.Uint16(p[4:])) > len(p)
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
