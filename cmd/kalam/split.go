package main

import (
	"bufio"
	"io"
	"strings"
)

// splitter reads statements out of a text that may be longer than memory. It
// knows the mysql client's DELIMITER.
type splitter struct {
	r         *bufio.Reader
	line      int // that is read
	delimiter string
	read      int64 // bytes
}

func newSplitter(r io.Reader) *splitter {
	return &splitter{r: bufio.NewReaderSize(r, 1<<16), line: 1, delimiter: ";"}
}

// next returns a statement without its delimiter and the line on which it
// begins; io.EOF at the end.
func (s *splitter) next() (text string, line int, err error) {
	var b strings.Builder
	begun := false
	lineStart := true
	for {
		c, err := s.r.ReadByte()
		if err == io.EOF {
			if begun {
				return b.String(), line, nil
			}
			return "", s.line, io.EOF
		}
		if err != nil {
			return "", s.line, err
		}
		s.read++
		if !begun && (c == ' ' || c == '\t' || c == '\r' || c == '\n') {
			if c == '\n' {
				s.line++
				lineStart = true
			}
			continue
		}
		if !begun && lineStart && (c == 'd' || c == 'D') {
			if word, err := s.r.Peek(9); err == nil && strings.EqualFold(string(word[:8]), "elimiter") && (word[8] == ' ' || word[8] == '\t') {
				rest, err := s.r.ReadString('\n')
				s.read += int64(len(rest))
				s.line++
				if d := strings.TrimSpace(rest[8:]); d != "" {
					s.delimiter = d
				}
				if err != nil && err != io.EOF {
					return "", s.line, err
				}
				continue
			}
		}
		lineStart = c == '\n'
		if c == s.delimiter[0] && s.follows(s.delimiter[1:]) {
			s.skip(len(s.delimiter) - 1)
			if begun {
				return b.String(), line, nil
			}
			continue
		}
		comment := c == '#' || c == '-' && (s.follows("- ") || s.follows("-\n") || s.follows("-\t") || s.follows("-\r"))
		if comment {
			rest, err := s.r.ReadString('\n')
			s.read += int64(len(rest))
			if begun {
				b.WriteByte(c)
				b.WriteString(rest)
			}
			s.line++
			lineStart = true
			if err != nil && err != io.EOF {
				return "", s.line, err
			}
			continue
		}
		if !begun {
			begun, line = true, s.line
		}
		b.WriteByte(c)
		switch {
		case c == '\n':
			s.line++
		case c == '\'' || c == '"' || c == '`':
			err = s.until(&b, func(last, this byte) (escapes, ends bool) { return this == '\\' && c != '`', this == c })
		case c == '/' && s.follows("*"):
			err = s.until(&b, func(last, this byte) (escapes, ends bool) { return false, last == '*' && this == '/' })
		}
		if err != nil && err != io.EOF {
			return "", s.line, err
		}
	}
}

// until copies up to where a byte ends something; one that escapes takes the
// next with it.
func (s *splitter) until(b *strings.Builder, f func(last, this byte) (escapes, ends bool)) error {
	last := byte(0)
	for {
		c, err := s.r.ReadByte()
		if err != nil {
			return err
		}
		s.read++
		b.WriteByte(c)
		if c == '\n' {
			s.line++
		}
		escapes, ends := f(last, c)
		if ends {
			return nil
		}
		last = c
		if escapes {
			if c, err = s.r.ReadByte(); err != nil {
				return err
			}
			s.read++
			b.WriteByte(c)
			if c == '\n' {
				s.line++
			}
			last = 0
		}
	}
}

func (s *splitter) follows(text string) bool {
	p, err := s.r.Peek(len(text))
	return err == nil && string(p) == text
}

func (s *splitter) skip(n int) {
	d, _ := s.r.Discard(n)
	s.read += int64(d)
}
