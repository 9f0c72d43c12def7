// Package rocks is kv over RocksDB: the one package that knows it.
//
// A database is a directory with the column families default, which stays
// empty, meta, data and stream, numbered from 0 in this order, as kv.Batch
// takes for granted. Reads cross into C once for many rows; a write hands over
// its batch's bytes in one call.
//
// A scan that meets many deleted keys, which RocksDB passes over in one step,
// goes on in a goroutine, so that its context can end it.
//
// Close may be called while others read and write: it waits for calls that
// run, which take no longer than a chunk of a scan or one write, and later
// calls return sqlerr.Closed.
//
// Built without cgo, the package is empty.
package rocks
