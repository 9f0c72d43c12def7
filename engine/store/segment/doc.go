// Package segment encodes columns of many rows as blocks of bytes, and the record
// that tells of such a run of rows.
//
// A block holds the values of one column, all of one physical form
// (types.Physical). Numbers little endian, n the block's rows:
//
//	1        blockFormat
//	1        physical form
//	uvarint  n
//	1        nulls: noNulls, someNulls or allNulls
//	bitmap   someNulls: Arrow's, (n+7)/8 bytes
//	payload  unless allNulls; the slots of NULLs have any value
//	4        CRC-32C of all before
//
// The payload begins with a byte that names its encoding. Of those that a form has,
// the one that takes the least space is chosen for each block:
//
//	integers    plain      8 bytes each
//	            packed     least (8), width (1), then value-least in width bits each
//	            delta      first (8), least difference (8), width (1), then
//	                       difference-least in width bits each, n-1 of them
//	            runs       number of runs (uvarint), their values, their lengths,
//	                       either as integers
//	            dict       number of values (uvarint), values, codes, either as integers
//	floats      plain      8 bytes each
//	            single     4 bytes each: all are float32
//	            scaled     digits (1), integers: the value times 10^digits
//	            runs, dict as integers, of the bits
//	bytes       plain      bytes (uvarint), lengths as integers, 0 (4), then the bytes; or
//	                       compressed, their length so (4), then a block of S2's format
//	            dict       number of values (uvarint), values as plain, codes as integers
//
// Bits are packed from the lowest on, and followed by eight bytes of zeros, so that
// readers may take eight bytes at any value.
//
// Decoders take any bytes: what is no block is ErrMalformed.
package segment

import "errors"

// ErrMalformed is returned when bytes are no block or record.
var ErrMalformed = errors.New("malformed segment block")

const (
	blockFormat      = 2
	compressedFormat = 2 // of blocks: before, bytes follow their lengths
	recordFormat     = 2
	pagedFormat      = 2 // of records: from it on they have Column.Page

	// MaxRows is how many rows a block may have.
	MaxRows = 1 << 16
	// MaxBytes is how many bytes the values of a block may have together, decoded.
	MaxBytes = 1 << 26
)
