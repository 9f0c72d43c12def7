package main

import (
	_ "embed"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// record names a record by the end of its file's path and its first line.
type record struct {
	file string
	line int
}

// skips are the records to leave out.
type skips []record

// mysqlSkips lists the records that are left out whatever -skip says.
//
//go:embed mysql.skips
var mysqlSkips string

// readSkips reads a list: on each line a FILE:LINE and the reason, or a comment
// after #. No name is an empty list.
func readSkips(name string) (skips, error) {
	if name == "" {
		return nil, nil
	}
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	return parseSkips(name, string(data))
}

func parseSkips(name, data string) (skips, error) {
	var list skips
	for i, text := range strings.Split(data, "\n") {
		text = strings.TrimSpace(text)
		if text == "" || strings.HasPrefix(text, "#") {
			continue
		}
		place, reason, _ := strings.Cut(text, " ")
		file, number, _ := strings.Cut(place, ":")
		line, err := strconv.Atoi(number)
		if err != nil || strings.TrimSpace(reason) == "" {
			return nil, fmt.Errorf("%s:%d: want FILE:LINE and the reason, have %q", name, i+1, text)
		}
		list = append(list, record{file, line})
	}
	return list, nil
}

func (s skips) skip(name string, line int) bool {
	for _, r := range s {
		if r.line == line && (name == r.file || strings.HasSuffix(name, "/"+r.file)) {
			return true
		}
	}
	return false
}
