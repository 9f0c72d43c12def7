package kv

import (
	"bytes"
	"encoding/binary"
	"slices"

	"github.com/kalamgo/kalam/engine/sqlerr"
)

// MaxValue is the length in bytes that a value may have.
const MaxValue = 1 << 30

// Op is what a record of a Batch does.
type Op uint8

// The operations of a Batch's records.
const (
	OpPut Op = iota
	OpDelete
	OpDeleteRange
)

// Batch collects changes for one atomic write, in order. The zero Batch is
// empty and ready to use. It is used by one goroutine.
//
// Its bytes are those of a RocksDB write batch: a header of 8 bytes sequence
// number (left zero) and 4 bytes count, little endian, then a record for each
// change: a tag, the column family's number as a varint, and the key and, where
// there is one, the value (the end of a range), each after its length as a
// varint. See db/write_batch.cc in RocksDB.
type Batch struct {
	rep    []byte
	err    error
	spaces uint8 // a bit for each that it changes
}

// BatchHeader is the length of the header of a Batch's bytes.
const BatchHeader = 12

// Record tags of RocksDB's ValueType, the forms that name a column family.
const (
	tagDelete      = 0x4
	tagPut         = 0x5
	tagDeleteRange = 0xE
)

// Family returns the number of the column family that holds s. Number 0 is
// RocksDB's own default family, which stays empty.
func (s Space) Family() uint32 { return uint32(s) + 1 }

// Put sets key's value. A value longer than MaxValue makes the Batch fail.
func (b *Batch) Put(s Space, key, value []byte) {
	if len(value) > MaxValue {
		b.err = sqlerr.RowTooLarge.New("a stored value of %d bytes is longer than the limit of %d", len(value), MaxValue)
		return
	}
	b.add(tagPut, s, key)
	b.rep = appendSized(b.rep, value)
}

// Delete removes key, whether or not it is there.
func (b *Batch) Delete(s Space, key []byte) { b.add(tagDelete, s, key) }

// DeleteRange removes the keys from start, inclusive, to end, exclusive. A
// range whose end is not after its start is empty.
func (b *Batch) DeleteRange(s Space, start, end []byte) {
	if bytes.Compare(start, end) >= 0 {
		return
	}
	b.add(tagDeleteRange, s, start)
	b.rep = appendSized(b.rep, end)
}

// Append adds the changes of another batch.
func (b *Batch) Append(c *Batch) {
	if b.err == nil {
		b.err = c.err
	}
	if c.Len() == 0 {
		return
	}
	if len(b.rep) == 0 {
		b.rep = append(b.rep, make([]byte, BatchHeader)...)
	}
	binary.LittleEndian.PutUint32(b.rep[8:], uint32(b.Len()+c.Len()))
	b.rep = append(b.rep, c.rep[BatchHeader:]...)
	b.spaces |= c.spaces
}

// grow makes room for about n more bytes.
func (b *Batch) grow(n int) { b.rep = slices.Grow(b.rep, n) }

func (b *Batch) add(tag byte, s Space, key []byte) {
	if len(b.rep) == 0 {
		b.rep = append(b.rep, make([]byte, BatchHeader)...)
	}
	binary.LittleEndian.PutUint32(b.rep[8:], uint32(b.Len()+1))
	b.spaces |= 1 << s
	b.rep = append(b.rep, tag, byte(s.Family()))
	b.rep = appendSized(b.rep, key)
}

func appendSized(dst, p []byte) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(p))), p...)
}

// Len returns the number of changes.
func (b *Batch) Len() int {
	if len(b.rep) == 0 {
		return 0
	}
	return int(binary.LittleEndian.Uint32(b.rep[8:]))
}

// Bytes returns the batch in RocksDB's form, nil when it is empty. They are
// valid until the batch is next changed.
func (b *Batch) Bytes() []byte { return b.rep }

// Err returns why the batch cannot be written, nil when it can.
func (b *Batch) Err() error { return b.err }

// Reset empties the batch and keeps its memory.
func (b *Batch) Reset() { b.rep, b.err, b.spaces = b.rep[:0], nil, 0 }

// Only reports whether the batch changes one space and no other.
func (b *Batch) Only(s Space) bool { return b.spaces == 1<<s }

// Each calls f for each change in order; value is the end of a range, nil for
// OpDelete. The slices are the batch's own, valid until it is next changed.
func (b *Batch) Each(f func(op Op, s Space, key, value []byte)) {
	if len(b.rep) == 0 {
		return
	}
	for rest := b.rep[BatchHeader:]; len(rest) > 0; {
		tag, s := rest[0], Space(rest[1]-1)
		var key, value []byte
		key, rest = sized(rest[2:])
		op := OpDelete
		if tag != tagDelete {
			value, rest = sized(rest)
			op = OpPut
			if tag == tagDeleteRange {
				op = OpDeleteRange
			}
		}
		f(op, s, key, value)
	}
}

func sized(p []byte) (field, rest []byte) {
	n, w := binary.Uvarint(p)
	end := w + int(n)
	return p[w:end:end], p[end:]
}
