package sqlerr

// Diagnostic returns what GET DIAGNOSTICS tells of a condition, by MySQL's name of the
// item: an int64 or a string.
func Diagnostic(err error, item string) any {
	e := As(err)
	if e == nil {
		e = Internal.Wrap(err, "%v", err)
	}
	switch item {
	case "MYSQL_ERRNO":
		return int64(e.Kind.Number)
	case "MESSAGE_TEXT":
		return e.Message
	case "RETURNED_SQLSTATE":
		return e.Kind.State
	case "CLASS_ORIGIN":
		return origin(e.Kind.State[0])
	case "SUBCLASS_ORIGIN":
		if origin(e.Kind.State[0]) == origin(e.Kind.State[2]) {
			return origin(e.Kind.State[0])
		}
		return "MySQL"
	}
	return "" // MySQL knows them of SIGNAL alone
}

// origin tells who defined a class, or subclass, by its first character.
func origin(c byte) string {
	if c >= '0' && c <= '4' || c >= 'A' && c <= 'H' {
		return "ISO 9075"
	}
	return "MySQL"
}
