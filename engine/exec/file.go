package exec

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"os"
	"unicode/utf8"

	"vitess.io/vitess/go/mysql/collations/charset"

	"github.com/kalamgo/kalam/engine/plan"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/types"
)

// file reads rows of a text file, as LOAD DATA's FIELDS and LINES describe them.
type file struct {
	rt   *Runtime
	plan *plan.File
	f    *os.File
	r    *bufio.Reader
	row  int64
	out  *types.Batch

	field []byte
	buf   []byte
	// Which bytes may mean something outside and inside of what encloses fields.
	outside, inside [256]bool
}

func buildFile(n *plan.File, rt *Runtime) (Operator, error) {
	l := &file{rt: rt, plan: n, out: emptyBatch(n.T)}
	f := &n.Format
	for _, s := range []string{f.Escaped, f.Enclosed} {
		if s != "" {
			l.inside[s[0]] = true
		}
	}
	for _, s := range []string{f.Escaped, f.Terminated, f.LinesTerminated} {
		if s != "" {
			l.outside[s[0]] = true
		}
	}
	return l, nil
}

func (l *file) Open(ctx context.Context) error {
	f, err := os.Open(l.plan.Path)
	if err != nil {
		return sqlerr.FileNotFound.Wrap(err, "Can't find file: '%s' (%v)", l.plan.Path, err)
	}
	if info, err := f.Stat(); err == nil && info.IsDir() {
		f.Close()
		return sqlerr.FileNotFound.New("Can't find file: '%s' (is a directory)", l.plan.Path)
	}
	l.f, l.r, l.row = f, bufio.NewReaderSize(f, 1<<20), 0
	for range l.plan.Format.Skip {
		if err := l.skipLine(); err == io.EOF {
			break
		} else if err != nil {
			return l.failed(err)
		}
	}
	return nil
}

func (l *file) failed(err error) error {
	return sqlerr.StorageIO.Wrap(err, "Error reading file '%s': %v", l.plan.Path, err)
}

// ends reports whether s stands next, whose first byte b was read, and passes it.
func (l *file) ends(b byte, s string) bool {
	if len(s) == 0 || b != s[0] {
		return false
	}
	if len(s) > 1 {
		next, err := l.r.Peek(len(s) - 1)
		if err != nil || string(next) != s[1:] {
			return false
		}
		l.r.Discard(len(s) - 1)
	}
	return true
}

// skipLine passes to the end of the line.
func (l *file) skipLine() error {
	for {
		b, err := l.r.ReadByte()
		if err != nil || l.ends(b, l.plan.Format.LinesTerminated) {
			return err
		}
	}
}

func (l *file) Next(ctx context.Context) (*types.Batch, error) {
	l.out.Reset()
	if l.r == nil {
		return l.out, nil
	}
	if err := interrupted(ctx); err != nil {
		return nil, err
	}
	for size := 0; l.out.Len < types.BatchRows && size < types.BatchBytes; l.out.Len++ {
		n, err := l.readRow()
		if err == io.EOF {
			return l.out, nil
		}
		if err != nil {
			return nil, err
		}
		size += n
	}
	return l.out, nil
}

// readRow appends a row to out and returns its bytes; io.EOF when there is none.
func (l *file) readRow() (size int, err error) {
	f := &l.plan.Format
	if _, err := l.r.Peek(1); err != nil {
		return 0, l.end(err)
	}
	if f.LinesStarting != "" {
		if err := l.skipTo(f.LinesStarting); err != nil {
			return 0, l.end(err)
		}
	}
	l.row++
	for i := 0; ; i++ {
		null, more, err := l.readField()
		if err != nil {
			return 0, l.end(err)
		}
		if i < len(l.out.Columns) {
			if err := l.take(i, null); err != nil {
				return 0, err
			}
			size += len(l.field)
		} else if i == len(l.out.Columns) {
			err := sqlerr.TooManyRecords.New("Row %d was truncated; it contained more data than there were input columns", l.row)
			if err := l.warn(err); err != nil {
				return 0, err
			}
		}
		if more {
			continue
		}
		for i++; i < len(l.out.Columns); i++ {
			if err := l.warn(sqlerr.TooFewRecords.New("Row %d doesn't contain data for all columns", l.row)); err != nil {
				return 0, err
			}
			l.out.Columns[i].AppendNull()
		}
		return size, nil
	}
}

func (l *file) warn(err error) error {
	if !l.plan.Lenient {
		return err
	}
	if l.rt.Env.Warn != nil {
		l.rt.Env.Warn(err)
	}
	return nil
}

func (l *file) end(err error) error {
	if err == io.EOF {
		return err
	}
	return l.failed(err)
}

// skipTo passes lines that don't have s, and what is before it in one that has.
func (l *file) skipTo(s string) error {
	for {
		b, err := l.r.ReadByte()
		if err != nil {
			return err
		}
		if l.ends(b, s) {
			return nil
		}
	}
}

// plain adds to the field what is at hand up to a byte that may mean something.
func (l *file) plain(special *[256]bool) {
	p, _ := l.r.Peek(l.r.Buffered())
	n := 0
	for n < len(p) && !special[p[n]] {
		n++
	}
	l.field = append(l.field, p[:n]...)
	l.r.Discard(n)
}

// readField reads a field into l.field; more tells that another follows in the line.
// The end of the file ends a line.
func (l *file) readField() (null, more bool, err error) {
	f := &l.plan.Format
	l.field = l.field[:0]
	escaped, bare := false, true // whether \N or NULL may stand for NULL
	enclosed := false
	if next, err := l.r.Peek(1); err == nil && f.Enclosed != "" && next[0] == f.Enclosed[0] {
		enclosed, bare = true, false
		l.r.Discard(1)
	}
	special := &l.outside
	if enclosed {
		special = &l.inside
	}
	for {
		l.plain(special)
		b, err := l.r.ReadByte()
		if err == io.EOF {
			break
		}
		if err != nil {
			return false, false, err
		}
		switch {
		case f.Escaped != "" && b == f.Escaped[0]:
			if f.Escaped == f.Enclosed { // then it is only doubled
				break
			}
			c, err := l.r.ReadByte()
			if err == io.EOF {
				l.field = append(l.field, b)
				continue
			}
			if err != nil {
				return false, false, err
			}
			if c == 'N' && len(l.field) == 0 && bare {
				escaped = true
			}
			l.field = append(l.field, unescape(c))
			continue
		}
		if enclosed {
			if b != f.Enclosed[0] {
				l.field = append(l.field, b)
				continue
			}
			next, err := l.r.ReadByte()
			switch {
			case err == io.EOF:
				return false, false, nil
			case err != nil:
				return false, false, err
			case next == b:
				l.field = append(l.field, b)
			case l.ends(next, f.LinesTerminated):
				return false, false, nil
			case l.ends(next, f.Terminated):
				return false, true, nil
			default: // it does not end the field
				l.field = append(l.field, b)
				if err := l.r.UnreadByte(); err != nil {
					return false, false, err
				}
			}
			continue
		}
		if l.ends(b, f.LinesTerminated) {
			break
		}
		if l.ends(b, f.Terminated) {
			more = true
			break
		}
		l.field = append(l.field, b)
	}
	null = escaped && string(l.field) == "N" || bare && f.Enclosed != "" && string(l.field) == "NULL"
	return null, more, nil
}

// unescape returns what an escaped character stands for.
func unescape(c byte) byte {
	switch c {
	case '0':
		return 0
	case 'b':
		return '\b'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	case 'Z':
		return 26
	}
	return c
}

// take appends the field to column i.
func (l *file) take(i int, null bool) error {
	v := l.out.Columns[i]
	if null {
		v.AppendNull()
		return nil
	}
	p := l.field
	if l.plan.Format.Charset == "latin1" {
		var err error
		if l.buf, err = charset.Convert(l.buf[:0], charset.Charset_utf8mb4{}, p, charset.Charset_latin1{}); err != nil {
			return sqlerr.IncorrectValue.New("Invalid latin1 character string in row %d", l.row)
		}
		p = l.buf
	}
	if v.Type.Kind != types.VarBinary && !utf8.Valid(p) {
		return sqlerr.IncorrectValue.New("Invalid utf8mb4 character string: '%s' in row %d", bytes.ToValidUTF8(p, []byte("?")), l.row)
	}
	v.AppendBytes(p)
	return nil
}

func (l *file) Close() error {
	if l.f == nil {
		return nil
	}
	f := l.f
	l.f, l.r = nil, nil
	return f.Close()
}
