package exec

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math"
	"os"
	"syscall"

	"github.com/kalamgo/kalam/engine/plan"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/types"
)

// spillFile is a temporary file that keeps what an operator has no memory for:
// streams of batches. A batch is
//
//	length of the rest (4) | CRC-32C of the rest (4) | rows (4) | columns
//
// and a column its validity (a byte: 0 all valid, 1 bitmap follows) and its
// values: 8 bytes each, or offsets (4 bytes each, from 0) and bytes. All numbers
// are little-endian.
type spillFile struct {
	dir string
	f   *os.File
	end int64
	buf []byte
	// actual is the operator's, when it is watched.
	actual *plan.Actual
}

// spillFile returns a file of the operator that is being built.
func (rt *Runtime) spillFile() spillFile { return spillFile{dir: rt.TempDir, actual: rt.actual} }

// spillStream is a sequence of batches in a spillFile.
type spillStream struct {
	at   []int64 // the batches' places
	rows int64
}

const spillHeader = 8

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// write appends b to a stream.
func (s *spillFile) write(st *spillStream, b *types.Batch) error {
	if b.Len == 0 {
		return nil
	}
	if s.f == nil {
		f, err := os.CreateTemp(s.dir, "kalam-spill-*")
		if err != nil {
			return spillError(err)
		}
		s.f, s.end = f, 0
	}
	buf := append(s.buf[:0], make([]byte, spillHeader)...)
	buf = binary.LittleEndian.AppendUint32(buf, uint32(b.Len))
	for _, v := range b.Columns {
		buf = appendVector(buf, v)
	}
	s.buf = buf
	if len(buf) > math.MaxInt32 {
		return sqlerr.OutOfMemory.New("A batch of %d bytes is too large for a temporary file", len(buf))
	}
	rest := buf[spillHeader:]
	binary.LittleEndian.PutUint32(buf, uint32(len(rest)))
	binary.LittleEndian.PutUint32(buf[4:], crc32.Checksum(rest, castagnoli))
	if _, err := s.f.WriteAt(buf, s.end); err != nil {
		return spillError(err)
	}
	st.at = append(st.at, s.end)
	st.rows += int64(b.Len)
	s.end += int64(len(buf))
	if s.actual != nil {
		s.actual.Spilled += int64(len(buf))
	}
	return nil
}

// read fills b, which has the columns written, with batch i of a stream.
func (s *spillFile) read(st *spillStream, i int, b *types.Batch) error {
	var head [spillHeader]byte
	if _, err := s.f.ReadAt(head[:], st.at[i]); err != nil {
		return spillError(err)
	}
	n := binary.LittleEndian.Uint32(head[:])
	if int64(n) > s.end-st.at[i]-spillHeader {
		return errSpill
	}
	if cap(s.buf) < int(n) {
		s.buf = make([]byte, n)
	}
	buf := s.buf[:n]
	if _, err := s.f.ReadAt(buf, st.at[i]+spillHeader); err != nil {
		return spillError(err)
	}
	if crc32.Checksum(buf, castagnoli) != binary.LittleEndian.Uint32(head[4:]) {
		return errSpill
	}
	return decodeBatch(b, buf)
}

// rewind forgets all streams: what is written next takes their place.
func (s *spillFile) rewind() { s.end = 0 }

// Close removes the file. It is idempotent; the file may be written anew.
func (s *spillFile) Close() error {
	if s.f == nil {
		return nil
	}
	f := s.f
	s.f, s.buf = nil, nil
	err := f.Close()
	if e := os.Remove(f.Name()); err == nil {
		err = e
	}
	if err != nil {
		return spillError(err)
	}
	return nil
}

var errSpill = sqlerr.Corrupt.New("A temporary file is damaged")

func spillError(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return sqlerr.DiskFull.Wrap(err, "Disk full (temporary file): %v", err)
	}
	return sqlerr.StorageIO.Wrap(err, "Temporary file: %v", err)
}

func appendVector(buf []byte, v *types.Vector) []byte {
	n := v.Len()
	if v.Valid == nil {
		buf = append(buf, 0)
	} else {
		buf = append(buf, 1)
		buf = append(buf, v.Valid[:(n+7)/8]...)
	}
	switch v.Type.Physical() {
	case types.PhysInt64:
		for _, x := range v.Int64s[:n] {
			buf = binary.LittleEndian.AppendUint64(buf, uint64(x))
		}
	case types.PhysUint64:
		for _, x := range v.Uint64s[:n] {
			buf = binary.LittleEndian.AppendUint64(buf, x)
		}
	case types.PhysFloat64:
		for _, x := range v.Float64s[:n] {
			buf = binary.LittleEndian.AppendUint64(buf, math.Float64bits(x))
		}
	case types.PhysBytes:
		first := v.Offsets[0]
		for _, o := range v.Offsets[:n+1] {
			buf = binary.LittleEndian.AppendUint32(buf, uint32(o-first))
		}
		buf = append(buf, v.Data[first:v.Offsets[n]]...)
	}
	return buf
}

func decodeBatch(b *types.Batch, buf []byte) error {
	if len(buf) < 4 {
		return errSpill
	}
	n := int(binary.LittleEndian.Uint32(buf))
	buf = buf[4:]
	for _, v := range b.Columns {
		rest, ok := decodeVector(v, n, buf)
		if !ok {
			return errSpill
		}
		buf = rest
	}
	if len(buf) != 0 {
		return errSpill
	}
	b.Len = n
	return nil
}

// decodeVector fills v with n values and returns what follows them.
func decodeVector(v *types.Vector, n int, buf []byte) ([]byte, bool) {
	v.Reset(v.Type)
	if len(buf) == 0 {
		return nil, false
	}
	hasNulls := buf[0] == 1
	buf = buf[1:]
	if hasNulls {
		k := (n + 7) / 8
		if len(buf) < k {
			return nil, false
		}
		v.Valid = append([]byte(nil), buf[:k]...)
		buf = buf[k:]
	}
	physical := v.Type.Physical()
	switch physical {
	case types.PhysInt64, types.PhysUint64, types.PhysFloat64:
		if len(buf)/8 < n {
			return nil, false
		}
		for i := range n {
			x := binary.LittleEndian.Uint64(buf[i*8:])
			switch physical {
			case types.PhysInt64:
				v.Int64s = append(v.Int64s, int64(x))
			case types.PhysUint64:
				v.Uint64s = append(v.Uint64s, x)
			default:
				v.Float64s = append(v.Float64s, math.Float64frombits(x))
			}
		}
		buf = buf[n*8:]
	case types.PhysBytes:
		if len(buf)/4 < n+1 {
			return nil, false
		}
		v.Offsets = v.Offsets[:0]
		last := int32(0)
		for i := range n + 1 {
			o := int32(binary.LittleEndian.Uint32(buf[i*4:]))
			if o < last || i == 0 && o != 0 {
				return nil, false
			}
			v.Offsets = append(v.Offsets, o)
			last = o
		}
		buf = buf[(n+1)*4:]
		if len(buf) < int(last) {
			return nil, false
		}
		v.Data = append(v.Data, buf[:last]...)
		buf = buf[last:]
	}
	v.SetLen(n)
	return buf, true
}
