package parse

import (
	"strconv"
	"strings"
)

// parserVersion is MySQLVersion as version comments have it.
const parserVersion = 80040

// commentedTrigger reports whether a text may make a trigger within version comments, as
// mysqldump writes it. Triggers are read with the places of their tokens, which those
// within comments do not have.
func commentedTrigger(sql string) bool {
	return strings.Contains(sql, versionComment) && mentionsTrigger(sql)
}

func mentionsTrigger(sql string) bool { return strings.Contains(strings.ToUpper(sql), "TRIGGER") }

// The beginnings of comments whose text counts: for MySQL, and for Kalam alone.
const (
	versionComment = "/*!"
	ownComment     = "/*K!"
)

// unwrapped returns sql with the text of version comments, /*!80000 … */, outside of them,
// or blank where it is for a later version; or with that of /*K! … */. Everything stays in
// its place.
func unwrapped(sql, mark string) string {
	if !strings.Contains(sql, mark) {
		return sql
	}
	out := []byte(sql)
	blank := func(from, to int) {
		for i := from; i < to; i++ {
			if out[i] != '\n' {
				out[i] = ' '
			}
		}
	}
	within := false // a comment that counts
	for i := 0; i < len(sql); {
		rest := sql[i:]
		switch {
		case rest[0] == '\'' || rest[0] == '"' || rest[0] == '`':
			i += quoted(rest)
		case rest[0] == '#' || strings.HasPrefix(rest, "--") && (len(rest) == 2 || rest[2] <= ' '):
			end := strings.IndexByte(rest, '\n')
			if end < 0 {
				return string(out)
			}
			i += end
		case !within && strings.HasPrefix(rest, mark):
			n := len(mark)
			for mark == versionComment && n < len(rest) && n < 9 && rest[n] >= '0' && rest[n] <= '9' {
				n++
			}
			if v, err := strconv.Atoi(rest[len(mark):n]); err == nil && v > parserVersion {
				end := strings.Index(rest, "*/")
				if end < 0 {
					return string(out) // the parser tells
				}
				blank(i, i+end+2)
				i += end + 2
				continue
			}
			if !strings.Contains(rest[n:], "*/") {
				return string(out)
			}
			blank(i, i+n)
			i, within = i+n, true
		case within && strings.HasPrefix(rest, "*/"):
			blank(i, i+2)
			i, within = i+2, false
		case strings.HasPrefix(rest, "/*"):
			end := strings.Index(rest[2:], "*/")
			if end < 0 {
				return string(out)
			}
			i += end + 4
		default:
			i++
		}
	}
	return string(out)
}

// quoted returns how many bytes the quoted text at the beginning of s takes.
func quoted(s string) int {
	quote := s[0]
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '\\' && quote != '`':
			i++
		case s[i] == quote && i+1 < len(s) && s[i+1] == quote:
			i++
		case s[i] == quote:
			return i + 1
		}
	}
	return len(s)
}
