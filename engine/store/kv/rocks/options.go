//go:build cgo

package rocks

import (
	"fmt"
	"math/bits"

	"github.com/linxGnu/grocksdb"

	"github.com/kalamgo/kalam/engine/store/kv"
)

const (
	kib = 1 << 10
	mib = 1 << 20
)

// dictBytes is how long dictionaries are: twice that saves another half of a percent of
// rows of text, but takes the place of two blocks in the cache for each file.
const dictBytes = 32 * kib

// Config says which database to open, and what it may use.
type Config struct {
	Path     string // directory; not used in memory
	InMemory bool   // kept in memory only, gone after Close
	ReadOnly bool   // nothing in Path changes
	Create   bool   // make the database when it is missing
	// Salvage opens a damaged database, a copy, as far as that goes. With Repair
	// RocksDB makes a new manifest of the table files first. Damaged is told of what is
	// seen on the way.
	Salvage, Repair bool
	Damaged         func(error)
	// Scratch tells that the database will not be opened again.
	Scratch bool

	// Budgets in bytes; 0 stands for the default.
	CacheBytes       uint64 // blocks, with indexes and filters; 64 MiB
	WriteBufferBytes uint64 // all memtables, beside the cache; 64 MiB
	MaxWALBytes      uint64 // write-ahead log, about; 128 MiB
}

func (c *Config) setDefaults() {
	for _, d := range []struct {
		field *uint64
		value uint64
	}{
		{&c.CacheBytes, 64 * mib},
		{&c.WriteBufferBytes, 64 * mib},
		{&c.MaxWALBytes, 128 * mib},
	} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
}

// dbOptions returns the options of the database as a whole. logDir is where the
// info log goes, "" for the database's directory.
func (db *DB) dbOptions(logDir string) (*grocksdb.Options, error) {
	c := &db.cfg
	// Logs that were synced have their lengths in the manifest, see checkLogs. The C
	// interface has no setter for it.
	o, err := grocksdb.GetOptionsFromString(nil, fmt.Sprintf("track_and_verify_wals_in_manifest=%v", !c.Salvage))
	if err != nil {
		return nil, err
	}
	if c.InMemory {
		o.SetEnv(grocksdb.NewMemEnv())
	}
	o.SetCreateIfMissing(c.InMemory || c.Create && !c.ReadOnly)
	o.SetCreateIfMissingColumnFamilies(c.InMemory || !c.ReadOnly)

	o.SetParanoidChecks(true)
	o.SetWALRecoveryMode(grocksdb.PointInTimeRecovery) // see checkLogs
	if c.Salvage {
		o.SetWALRecoveryMode(grocksdb.SkipAnyCorruptedRecordsRecovery)
	}
	// A batch may go to several families, and with NoLog the memtables are all
	// that has it: they are flushed together, so that none has a part of it.
	o.SetAtomicFlush(true)

	o.SetDbWriteBufferSize(c.WriteBufferBytes)
	o.SetMaxTotalWalSize(c.MaxWALBytes)
	o.SetMaxBackgroundJobs(2)
	o.SetBytesPerSync(mib)
	o.SetMaxOpenFiles(512)
	if c.ReadOnly {
		o.SetMaxOpenFiles(-1) // files that a later writer removes stay readable
	}
	o.SetMaxFileOpeningThreads(min(1+db.tables/16, 16)) // for each family, whatever it has; 16 is RocksDB's own
	o.SetSkipStatsUpdateOnDBOpen(true)
	o.SetStatsDumpPeriodSec(0)
	o.SetStatsPersistPeriodSec(0)

	o.SetInfoLogLevel(grocksdb.WarnInfoLogLevel)
	o.SetMaxLogFileSize(mib)
	o.SetKeepLogFileNum(2)
	if logDir != "" {
		o.SetDbLogDir(logDir)
	}
	return o, nil
}

// familyOptions returns the options of a column family.
func (db *DB) familyOptions(s kv.Space) *grocksdb.Options {
	o := grocksdb.NewDefaultOptions()

	table := grocksdb.NewDefaultBlockBasedTableOptions()
	defer table.Destroy()
	table.SetBlockCache(db.cache)
	table.SetBlockSize(16 * kib)
	table.SetFormatVersion(5)
	table.SetFilterPolicy(grocksdb.NewBloomFilterFull(10)) // owned by table
	table.SetWholeKeyFiltering(true)
	// Indexes and filters count against the cache's budget.
	table.SetCacheIndexAndFilterBlocks(true)
	table.SetCacheIndexAndFilterBlocksWithHighPriority(true)
	table.SetPinL0FilterAndIndexBlocksInCache(true)
	// Both are in parts: a whole filter of a million keys is larger than a part of the
	// cache (see newCache), and would be read from the file for each key.
	table.SetIndexType(grocksdb.KTwoLevelIndexSearchIndexType)
	table.SetPartitionFilters(true)
	table.SetMetadataBlockSize(16 * kib)
	table.SetPinTopLevelIndexAndFilter(true)
	o.SetBlockBasedTableFactory(table)

	o.SetCompression(grocksdb.LZ4Compression)
	o.SetLevelCompactionDynamicLevelBytes(true)
	// Files dense with tombstones are compacted before scans suffer from them.
	o.AddCompactOnDeletionCollectorFactory(8192, 4096)

	total := db.cfg.WriteBufferBytes
	switch s {
	case kv.Data:
		// Blocks of rows are small: what repeats in a file is in a dictionary, which is
		// made of what the file begins with.
		c := grocksdb.NewDefaultCompressionOptions()
		c.MaxDictBytes = dictBytes
		o.SetCompressionOptions(c)
		o.SetCompressionOptionsMaxDictBufferBytes(mib)
		o.SetWriteBufferSize(max(total/2, 64*kib))
		o.SetMaxWriteBufferNumber(3)
	case kv.Meta:
		o.SetWriteBufferSize(max(total/8, 64*kib))
	case kv.Stream:
		// Rows die young: small levels that are compacted often drop them.
		o.SetWriteBufferSize(max(total/8, 64*kib))
		o.SetMaxBytesForLevelBase(32 * mib)
		o.SetTargetFileSizeBase(8 * mib)
	}
	return o
}

// newCache returns a cache in parts of 8 MiB and more, of which each takes the
// blocks that hash to it. RocksDB's own choice are 64 parts, which leaves no room in a
// small cache for large values' blocks.
func newCache(bytes uint64) *grocksdb.Cache {
	o := grocksdb.NewLRUCacheOptions()
	defer o.Destroy()
	o.SetCapacity(uint(bytes))
	o.SetNumShardBits(min(max(bits.Len64(bytes/(8*mib))-1, 0), 6))
	return grocksdb.NewLRUCacheWithOptions(o)
}
