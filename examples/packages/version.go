package main

import (
	"cmp"
	"strings"
)

// compareVersions orders versions as deb-version(7) says: by epoch, then
// upstream version, then Debian revision.
func compareVersions(a, b string) int {
	aEpoch, aUpstream, aRevision := splitVersion(a)
	bEpoch, bUpstream, bRevision := splitVersion(b)
	return cmp.Or(
		comparePart(aEpoch, bEpoch),
		comparePart(aUpstream, bUpstream),
		comparePart(aRevision, bRevision),
	)
}

func splitVersion(v string) (epoch, upstream, revision string) {
	if before, after, ok := strings.Cut(v, ":"); ok {
		epoch, v = before, after
	}
	if i := strings.LastIndexByte(v, '-'); i >= 0 {
		return epoch, v[:i], v[i+1:]
	}
	return epoch, v, ""
}

// comparePart compares, in turns, the longest runs without digits and the
// numbers after them.
func comparePart(a, b string) int {
	for a != "" || b != "" {
		for a != "" && !isDigit(a[0]) || b != "" && !isDigit(b[0]) {
			if c := cmp.Compare(weight(a), weight(b)); c != 0 {
				return c
			}
			a, b = a[1:], b[1:]
		}
		var aNumber, bNumber string
		aNumber, a = cutNumber(a)
		bNumber, b = cutNumber(b)
		if c := cmp.Or(cmp.Compare(len(aNumber), len(bNumber)), cmp.Compare(aNumber, bNumber)); c != 0 {
			return c
		}
	}
	return 0
}

// weight orders the first byte of a run: '~' before the run's end, that before
// letters, those before everything else.
func weight(s string) int {
	switch {
	case s == "" || isDigit(s[0]):
		return 0
	case s[0] == '~':
		return -1
	case 'A' <= s[0] && s[0] <= 'Z' || 'a' <= s[0] && s[0] <= 'z':
		return int(s[0])
	}
	return int(s[0]) + 256
}

// cutNumber cuts the digits off, without leading zeros.
func cutNumber(s string) (number, rest string) {
	n := 0
	for n < len(s) && isDigit(s[n]) {
		n++
	}
	return strings.TrimLeft(s[:n], "0"), s[n:]
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
