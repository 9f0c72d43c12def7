// Package badinput holds tests of what Kalam does with input that is wrong:
// broken SQL, values that do not fit, damaged or foreign files. Each gives its
// typed error, nothing else is lost, and the database opens again.
//
// The files testdata/*.txt are lists of statements with their outcomes:
//
//	CREATE TABLE t (a INT PRIMARY KEY)
//	----
//	ok
//
//	-- args: 1, "text"
//	INSERT INTO t VALUES (?)
//	----
//	Error 1210 (HY000): …
//
// A statement that begins with a double quote is a Go string, so that it can
// hold any byte. Arguments are Go integers, floats and strings, or nil.
// go test -update rewrites the outcomes.
package badinput
