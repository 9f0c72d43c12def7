package parse

import (
	"cmp"
	"regexp"
	"slices"
	"strings"

	"vitess.io/vitess/go/vt/sqlparser"
)

// secretWords are those of which statements with passwords have one.
var secretWords = regexp.MustCompile(`(?i)identified|password`)

// bareSecret finds a password that lacks its quotes, which a message may not show
// either.
var bareSecret = regexp.MustCompile(`(?i)(?:identified\s+by|password\s*=)\s*([^\s'"(),;?:]+)`)

const hiddenText = "'<secret>'"

// Shown returns a statement as it may be shown to others: where it is about
// passwords, all texts in quotes are left out.
func Shown(sql string) string { return shownFrom(sql, 0) }

// shownFrom is Shown for what comes from a place on.
func shownFrom(sql string, from int) string {
	if !secretWords.MatchString(sql) {
		return sql[from:]
	}
	var hidden [][2]int
	eachText(sql, func(start, end int) { hidden = append(hidden, [2]int{start, end}) })
	for _, m := range bareSecret.FindAllStringSubmatchIndex(sql, -1) {
		hidden = append(hidden, [2]int{m[2], m[3]})
	}
	slices.SortFunc(hidden, func(a, b [2]int) int { return cmp.Compare(a[0], b[0]) })
	var out strings.Builder
	at := from
	for _, h := range hidden {
		if h[1] <= at {
			continue
		}
		out.WriteString(sql[at:max(at, h[0])])
		out.WriteString(hiddenText)
		at = h[1]
	}
	out.WriteString(sql[at:])
	return out.String()
}

// quotedHosts returns sql with the host of 'user'@'host' in backquotes, which the
// tokenizer knows after an @. Everything stays in its place.
func quotedHosts(sql string) string {
	if !strings.Contains(sql, "@'") && !strings.Contains(sql, `@"`) {
		return sql
	}
	out := []byte(sql)
	eachText(sql, func(start, end int) {
		if start > 0 && sql[start-1] == '@' && end-start >= 2 && sql[end-1] == sql[start] && !strings.ContainsAny(sql[start+1:end-1], "`\\'\"") {
			out[start], out[end-1] = '`', '`'
		}
	})
	return string(out)
}

// Tokenizer returns a reader of a text's tokens, the places of which are those in the text.
func Tokenizer(sql string) *sqlparser.Tokenizer {
	return parser.NewStringTokenizer(quotedHosts(sql))
}

// eachText calls f with the places of the texts in single or double quotes.
func eachText(sql string, f func(start, end int)) {
	for i := 0; i < len(sql); {
		rest := sql[i:]
		switch {
		case rest[0] == '\'' || rest[0] == '"':
			end := i + quoted(rest)
			f(i, end)
			i = end
		case rest[0] == '`':
			i += quoted(rest)
		case rest[0] == '#' || strings.HasPrefix(rest, "--") && (len(rest) == 2 || rest[2] <= ' '):
			end := strings.IndexByte(rest, '\n')
			if end < 0 {
				return
			}
			i += end
		case strings.HasPrefix(rest, "/*") && !strings.HasPrefix(rest, "/*!"):
			end := strings.Index(rest[2:], "*/")
			if end < 0 {
				return
			}
			i += end + 4
		default:
			i++
		}
	}
}
