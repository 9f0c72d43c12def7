// Package driver is Kalam's database/sql driver. Importing it registers the
// name "kalam":
//
//	import _ "github.com/kalamgo/kalam/driver"
//
//	db, err := sql.Open("kalam", "app.kdb")
//
// # Data source names
//
// A data source name is a path, the word :memory:, or a URI:
//
//	app.kdb                          a database in the directory app.kdb
//	:memory:                         a database of this sql.DB alone, gone when it is closed
//	file:app.kdb?namespace=crm       a path with options
//	file:cache?mode=memory           a memory database that all who name it "cache" share
//
// The options, each given at most once:
//
//	user=NAME        who the session acts as; default: system, the file's owner
//	password=PW      of that user; asked for once any user has a password
//	namespace=NAME   the database selected at first; default: default
//	sync=full        a commit returns when it is on stable storage (the default)
//	sync=normal      … when the operating system has it: survives the program's crash, not the machine's
//	sync=off         … when it is in memory: the last commits may be lost with the process
//	readonly=true    refuse everything that writes
//	create=false     refuse a path where no database is
//	loc=Europe/Oslo  time zone of DATETIME and TIMESTAMP values and of the session; default UTC
//	lock_wait_timeout=N   seconds, or a duration such as 500ms, to wait for the lock of a row or
//	                 table; default 50. SET innodb_lock_wait_timeout and lock_wait_timeout change it.
//	cache_mb=N       megabytes of block cache, and as many again for decoded columns of packed tables;
//	                 default 64; the first who opens a path decides
//	mem_limit=N      megabytes, or a size such as 64KB, that a statement's sorts, joins and groups may
//	                 hold before they spill to temporary files; default 256. SET mem_limit, in bytes, changes it.
//	write_buffer_mb=N  megabytes written before they go from memory and log to tables
//	job_history=N    records of system.jobs that are over, so many are kept; default 1000
//	job_age=720h     and for so long; the first who opens a path decides
//	node=N           the database's number in SNOWFLAKE_ID(), 1 to 1023; the first who opens a path decides;
//	                 default: derived from the machine's name and the path
//	mode=memory      keep the database in memory under the URI's name
//
// Config and NewConnector say the same in Go, for sql.OpenDB.
//
// # One engine for a path
//
// All sql.DBs of a process that name one path share one engine, which closes
// with the last of them. A database belongs to one process at a time: a second
// one gets an error of the kind sqlerr.DatabaseInUse.
//
// # Values
//
// Parameters are ? or :name (with sql.Named). Every kind of integer, floats,
// bool, string, []byte, time.Time, json.RawMessage, pointers to these, types
// derived from them and driver.Valuer may be passed. A time.Time is taken in the session's zone.
//
// Rows come back as int64 (uint64 where the column is BIGINT UNSIGNED and the
// value needs it), float64, string for text, DECIMAL, TIME, ENUM, SET and UUID,
// []byte for binary columns and JSON, and time.Time for DATE, DATETIME and
// TIMESTAMP.
//
// # Statements
//
// Several statements separated by semicolons run in one call; Rows.NextResultSet
// goes through their results. A statement runs, and fails, when Exec or Query is
// called. Cancelling its context stops it, and the connection stays usable.
//
// A connection that comes back to the pool forgets what was set on it: USE, SET,
// an open BEGIN, LAST_INSERT_ID(). Use sql.Conn for statements that belong
// together, sql.Tx for transactions, and Result.LastInsertId.
//
// # Transactions
//
// sql.TxOptions takes LevelDefault and LevelRepeatableRead or LevelSnapshot
// (all three are snapshot isolation), LevelReadCommitted, LevelReadUncommitted,
// which gives read committed, and LevelSerializable. Other levels are refused.
// Within a transaction, statements may run while Rows are open: those show what
// was there when they began, and are read into memory before the transaction
// writes.
//
// Rows are locked as they are written. A single statement outside a transaction
// waits for other writers and never fails because of them. A transaction can
// fail with kalam.ErrWriteConflict, where a row changed after its snapshot (also in
// Commit, when it is serializable), with kalam.ErrDeadlock, after which only a
// rollback is possible, and with kalam.ErrLockWaitTimeout: run it again, as
// kalam.RetryTx does. SELECT … FOR UPDATE and FOR SHARE lock what they return.
// docs/transactions.md tells what each level promises. Statements that define tables and
// indexes commit the open transaction first, as in MySQL.
//
// # Errors
//
// Errors are *Error, with MySQL's number and SQLSTATE; package kalam lists the
// kinds for errors.Is.
package driver
