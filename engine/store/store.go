// Package store keeps tables as rows and index entries over kv: the encoding of
// keys and rows, transactions' reads and buffered writes, and the three table
// stores. Everything above reaches user data only through it.
package store

import (
	"context"

	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/types"
)

// Table is one table's rows as a transaction sees them: a SharedTableStore, a
// UserTableStore of one user, or a StreamTableStore. A Table is bound to its
// transaction and used by one goroutine, its scanners too.
//
// Batches of whole rows have all of the table's columns, hidden ones too, in
// ordinal order. TIMESTAMP columns are in UTC here.
type Table interface {
	Schema() *schema.Table

	// Scan returns rows as of this moment: writes made afterwards, also by the
	// same transaction, do not show in it.
	Scan(req ScanRequest) Scanner

	// Parts divides the rows of a request into up to n parts, in the order of the rows;
	// it returns none where one scan has to read all. Scans of parts may be used at the
	// same time by goroutines, and others opened meanwhile, as long as the transaction is
	// not changed: until then the parts are good.
	Parts(req ScanRequest, n int) ([]Part, error)

	// Insert adds rows in order up to the first whose primary or unique key is
	// taken (by the table, or by an earlier row of the batch), which it reports
	// as a conflict: the rows before it are in, it and those after are not.
	Insert(ctx context.Context, rows *types.Batch) (*Conflict, error)

	// Update replaces rows old[i], as read in this transaction, by new[i], in
	// order up to the first conflict; keys may change.
	Update(ctx context.Context, old, new *types.Batch) (*Conflict, error)

	// Delete removes rows, as read in this transaction. Where the table's options
	// say how long they can be restored, they are kept aside: only scans with
	// ScanRequest.Deleted see them, and their keys are free.
	Delete(ctx context.Context, rows *types.Batch) error

	// Lock locks keys for the transaction, whether or not there are rows with
	// them, and appends the positions of those that it locked to got: all, unless
	// req.Wait is SkipLocked. What Scan found under a key is the latest once it
	// is locked; otherwise the error is sqlerr.WriteConflict.
	Lock(ctx context.Context, req LockRequest, got []int32) ([]int32, error)

	// DeleteAll removes every row (TRUNCATE, DROP TABLE) at a cost that does
	// not depend on their number.
	DeleteAll(ctx context.Context) error
}

// ScanRequest says which rows to read and what of them.
type ScanRequest struct {
	// Index orders and bounds the scan; nil: the primary key.
	Index *schema.Index
	// Ranges, in key order and not overlapping, bound the scan; nil: all rows,
	// empty but not nil: none. Ranges of one whole unique key each are looked
	// up in one batched read. With Reverse they are read from the last.
	Ranges []KeyRange
	// Columns are the ordinals wanted, see schema.Table.At, in the batches' order;
	// may be empty (COUNT(*)). Rows are fetched only for columns the index doesn't hold.
	Columns []int
	Reverse bool
	// Limit is the number of rows that suffice, 0: all. The scan may return more.
	Limit int
	// Only has what is asked of columns, if the caller leaves out all other rows
	// anyway: the scan need not return those. Values have to be in the order of bytes
	// or numbers.
	Only []ColumnRanges
	// Skipped, unless it is nil, is raised by the number of segments that were not read
	// for that reason.
	Skipped *int64
	// Deleted reads the soft-deleted rows instead of the live ones; only in
	// primary-key order.
	Deleted bool
	// Part is the part of the rows to read, one that Table.Parts returned; the zero Part
	// is all of them.
	Part Part
	// Reuse is a closed scanner, or nil, whose memory the scan may have. Nobody uses
	// it any more; nor what it returned.
	Reuse Scanner
	// Filter, unless it is nil, picks the rows that are returned; not with Limit.
	Filter RowFilter
}

// Part is a part of a scan's rows: those whose keys are From or more and less than To,
// where these are not nil.
type Part struct{ From, To []byte }

// RowFilter picks rows of a scan. Of packed rows it sees some columns before the others
// are read.
type RowFilter interface {
	// Reads returns the places in ScanRequest.Columns of what Select reads.
	Reads() []int
	// Select appends the numbers of the rows wanted to sel, in ascending order. The batch
	// has ScanRequest.Columns, of which those that Reads does not list may be empty.
	Select(rows *types.Batch, sel []int32) ([]int32, error)
}

// KeyRange bounds the leading columns of an index's key (for a secondary index
// its columns followed by the primary key's that are not among them).
// Low is where the range begins in the key's order: for a descending column that
// is the greatest value. Values are of the columns' physical forms; NULL is the
// least. Where the key has a prefix of a column, it is the prefixes that are compared.
// A nil bound is open. A bound with fewer values than the key stands for
// all keys that begin with it: Low inclusive starts before them, exclusive
// after; High inclusive ends after them, exclusive before.
type KeyRange struct {
	Low, High                   []types.Value
	LowExclusive, HighExclusive bool
}

// ColumnRanges are values of a column: ranges of a key that the column alone makes.
type ColumnRanges struct {
	Column int // ordinal
	Ranges []KeyRange
}

// Scanner returns a scan's rows batch by batch.
type Scanner interface {
	// Next fills b, whose columns are of the request's columns' types, with the
	// next rows: up to about types.BatchRows, fewer when they are large. An
	// empty batch is the end, again and again. What is in b is b's own.
	Next(ctx context.Context, b *types.Batch) error
	// Close releases the scanner; it is idempotent.
	Close() error
}

// Conflict tells of a key that is taken.
type Conflict struct {
	Row   int           // index in the batch
	User  string        // whose row it is; of BuildIndex only
	Index *schema.Index // nil: the primary key
	// Existing is the row that holds the key, all columns, values its own.
	Existing []types.Value
}

// LockMode is what the lock of a key keeps others from.
type LockMode uint8

// The modes. Shared locks of one key go together, an exclusive
// one is alone.
const (
	LockShared LockMode = iota // keeps the key as it is
	LockExclusive
)

// LockWait says what to do about a key that others have locked.
type LockWait uint8

// What to do about locked keys.
const (
	WaitLocked LockWait = iota // wait
	FailLocked                 // fail with sqlerr.LockNoWait (NOWAIT)
	SkipLocked                 // leave the row out
)

// LockRequest says which rows, or keys that rows may have, to lock.
type LockRequest struct {
	Index *schema.Index // unique; nil: the primary key
	// Keys has the index's own columns; TIMESTAMPs are in UTC. A key with a NULL
	// names no row: there is nothing to lock, and it counts as locked.
	Keys *types.Batch
	Mode LockMode
	Wait LockWait
}

// Locker is asked before a key is written, checked for uniqueness or read to
// rely on it. It returns once the transaction may go on: a conflict with another
// transaction is its error (sqlerr.WriteConflict, LockWaitTimeout, LockDeadlock,
// without wait LockNoWait).
type Locker interface {
	// LockKey locks a key of a table, in a user table that of a user; both belong to
	// the caller.
	LockKey(ctx context.Context, key, user []byte, mode LockMode, wait bool) error
	// LockAlone reports whether nobody else can write a table, or in a user table that
	// of a user, from now on. With try it sees to that if it is possible at once.
	LockAlone(ctx context.Context, table uint32, user []byte, try bool) (bool, error)
	// LockValues locks values that foreign keys tie rows by, see Tied. It is no
	// conflict that they were used since the snapshot.
	LockValues(ctx context.Context, key []byte, alone bool) error
	// Latest reports whether nothing was committed since the snapshot.
	Latest() bool
}
