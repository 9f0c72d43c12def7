// Package kalam holds what a program using Kalam needs beside database/sql:
// the kinds of errors. Importing it, or package driver, registers the driver.
//
//	db, err := sql.Open("kalam", "app.kdb")
//
// Package driver documents data source names, values and statements.
package kalam

import (
	"github.com/kalamgo/kalam/driver"
	"github.com/kalamgo/kalam/engine/sqlerr"
)

// Error is the type of Kalam's errors: MySQL's number and SQLSTATE, and the
// table, column and constraint concerned.
//
//	var e *kalam.Error
//	if errors.As(err, &e) { log.Print(e.Kind.Number, e.Constraint) }
type Error = driver.Error

// The kinds of errors that programs commonly tell apart, for errors.Is. Each
// is returned when …
var (
	ErrDuplicateEntry  = sqlerr.DupEntry        // … a primary or unique key holds the value already.
	ErrNoReferencedRow = sqlerr.NoReferencedRow // … a row would reference one that is not there.
	ErrRowIsReferenced = sqlerr.RowIsReferenced // … a row that others reference would go or change.
	ErrCheckViolated   = sqlerr.CheckViolated   // … a row does not satisfy a CHECK.
	ErrNotNull         = sqlerr.ColumnNotNull   // … NULL is given for a NOT NULL column.
	ErrNoDefault       = sqlerr.NoDefault       // … a column without default is given no value.
	ErrOutOfRange      = sqlerr.OutOfRange      // … a number is out of its column's range.
	ErrWrongArguments  = sqlerr.WrongArguments  // … arguments do not fit a statement's parameters.
	ErrDataTooLong     = sqlerr.DataTooLong     // … a string is longer than its column.
	ErrIncorrectValue  = sqlerr.IncorrectValue  // … a string is no number, or has bytes that are not UTF-8.
	ErrSyntax          = sqlerr.Syntax          // … the SQL text cannot be parsed.
	ErrNotSupported    = sqlerr.NotSupported    // … the SQL is understood but not supported.
	ErrNoSuchTable     = sqlerr.NoSuchTable     // … a table does not exist.
	ErrTableExists     = sqlerr.TableExists     // … CREATE TABLE names a table that exists.
	ErrUnknownColumn   = sqlerr.UnknownColumn   // … a name is no column in scope.
	ErrUnknownDatabase = sqlerr.BadDatabase     // … a namespace does not exist.
	ErrAccessDenied    = sqlerr.AccessDenied    // … a user may not do this.
	ErrPrivilegeNeeded = sqlerr.PrivilegeNeeded // … a user's role may not run such a statement.
	ErrSignInDenied    = sqlerr.SignInDenied    // … a data source name's user and password are not those of a user.
	ErrOtherUser       = sqlerr.OtherUser       // … a transaction is used with the context of another user.
	ErrReadOnly        = sqlerr.ReadOnly        // … a read-only transaction or database would write.
	ErrDeadlock        = sqlerr.LockDeadlock    // … the transaction was chosen to break a deadlock; run it again.
	ErrLockWaitTimeout = sqlerr.LockWaitTimeout // … a row lock was not had in time; run it again.
	ErrLockNoWait      = sqlerr.LockNoWait      // … a row is locked and NOWAIT was said.
	ErrWriteConflict   = sqlerr.WriteConflict   // … what the transaction writes, or has read when it is serializable, was changed by another; run it again.
	ErrRetryable       = sqlerr.Retryable       // … any of the errors is returned after which the transaction may be run again, see RetryTx.
	ErrInterrupted     = sqlerr.Interrupted     // … the context ended; it wraps the context's error.
	ErrDatabaseInUse   = sqlerr.DatabaseInUse   // … another process has the database open.
	ErrNotADatabase    = sqlerr.NotADatabase    // … the path holds something else than a Kalam database.
	ErrNoSuchDatabase  = sqlerr.NoSuchDatabase  // … no database is at the path, and it may not be made.
	ErrNewerFormat     = sqlerr.NewerFormat     // … the database was written by a newer Kalam.
	ErrCorrupt         = sqlerr.Corrupt         // … stored data fails its checks.
	ErrDiskFull        = sqlerr.DiskFull        // … the disk has no room for a write.
	ErrNotABackup      = sqlerr.NotABackup      // … a directory holds something else than backups.
	ErrBackupInUse     = sqlerr.BackupInUse     // … another backup writes to the directory.
	ErrClosed          = sqlerr.Closed          // … the database is closed.
	ErrTableWatched    = sqlerr.TableWatched    // … live queries watch a table or column that would be dropped or changed.
	ErrChangesGone     = sqlerr.ChangesGone     // … the changes that a live query is to go on with are not kept any more; subscribe afresh.
	ErrSubscriberSlow  = sqlerr.SubscriberSlow  // … a live query was not read for so long that what it lacks is not kept any more; subscribe afresh.
)
