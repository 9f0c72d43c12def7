// Package sqlerr is the one error type of Kalam. Every layer returns it for
// what a user can see; Kinds are the sentinels for errors.Is.
package sqlerr

import (
	"errors"
	"fmt"
	"strings"
)

// Kind is a class of errors with MySQL's number and SQLSTATE. Kinds are the
// sentinels of this package: errors.Is(err, sqlerr.DupEntry).
type Kind struct {
	Name      string // stable, for programs and logs: "duplicate_entry"
	Number    uint16 // MySQL's error number; Kalam's own start at 20000
	State     string // SQLSTATE, five characters
	Retryable bool   // running the transaction again may succeed
}

// Error makes a Kind usable as the target of errors.Is.
func (k *Kind) Error() string { return strings.ReplaceAll(k.Name, "_", " ") }

// New returns an Error of this kind with a formatted message.
func (k *Kind) New(format string, args ...any) *Error {
	return &Error{Kind: k, Message: fmt.Sprintf(format, args...)}
}

// Wrap is New with a cause, which errors.Is and errors.As look through.
func (k *Kind) Wrap(cause error, format string, args ...any) *Error {
	e := k.New(format, args...)
	e.Cause = cause
	return e
}

// Unsupported returns a NotSupported in MySQL's words; the format and its
// arguments name the construct.
func Unsupported(construct string, args ...any) *Error {
	return NotSupported.New("This version of Kalam doesn't yet support '"+construct+"'", args...)
}

// Error is what every failing call of Kalam returns.
type Error struct {
	Kind       *Kind
	Message    string
	Table      string // namespace.table, where one is concerned
	Column     string
	Constraint string // index or constraint name, "PRIMARY" for the primary key
	Position   int    // 1-based byte offset in the SQL text, 0 when unknown
	Cause      error
}

// Error prints in MySQL's form: Error 1062 (23000): Duplicate entry ….
func (e *Error) Error() string {
	s := fmt.Sprintf("Error %d (%s): %s", e.Kind.Number, e.Kind.State, e.Message)
	if e.Position > 0 {
		s += fmt.Sprintf(" (at position %d)", e.Position)
	}
	return s
}

// Is reports whether target is this error's kind, or Retryable and the kind is.
func (e *Error) Is(target error) bool {
	k, ok := target.(*Kind)
	return ok && (k == e.Kind || k == Retryable && e.Kind.Retryable)
}

// Is reports whether target is k, or Retryable and k is.
func (k *Kind) Is(target error) bool {
	other, ok := target.(*Kind)
	return ok && (k == other || other == Retryable && k.Retryable)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Retryable reports whether running the transaction again may succeed.
func (e *Error) Retryable() bool { return e.Kind.Retryable }

// On sets the table and returns e.
func (e *Error) On(table string) *Error { e.Table = table; return e }

// In sets the column and returns e.
func (e *Error) In(column string) *Error { e.Column = column; return e }

// For sets the constraint and returns e.
func (e *Error) For(constraint string) *Error { e.Constraint = constraint; return e }

// At sets the 1-based byte position in the SQL text and returns e.
func (e *Error) At(position int) *Error { e.Position = position; return e }

// As returns the *Error within err, or nil.
func As(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return nil
}
