package exec

import "github.com/kalamgo/kalam/engine/types"

// Spool keeps rows to be read later, in order: in memory up to a limit, those
// after it in a temporary file. Rows are appended before any are read.
type Spool struct {
	limit  int64
	types  []types.Type // of the first rows, and of all others
	size   int64
	memory []*types.Batch
	file   spillFile
	rest   spillStream
	read   int // batches of rest
	out    *types.Batch
}

// NewSpool returns a spool that holds so many bytes in memory, and puts its file
// into dir.
func NewSpool(limit int64, dir string) *Spool {
	return &Spool{limit: limit, file: spillFile{dir: dir}}
}

// Append copies b's rows.
func (s *Spool) Append(b *types.Batch) error {
	if b.Len == 0 {
		return nil
	}
	if s.types == nil {
		for _, v := range b.Columns {
			s.types = append(s.types, v.Type)
		}
	}
	if s.size > s.limit || len(s.rest.at) > 0 {
		return s.file.write(&s.rest, b)
	}
	c := types.NewBatch(s.types)
	for i, v := range b.Columns {
		for k := range b.Len {
			c.Columns[i].AppendFrom(v, k)
		}
	}
	c.Len = b.Len
	s.memory = append(s.memory, c)
	s.size += batchBytes(c)
	return nil
}

// Next returns the next rows, an empty batch at the end. They are valid until
// the next call.
func (s *Spool) Next() (*types.Batch, error) {
	if len(s.memory) > 0 {
		b := s.memory[0]
		s.memory = s.memory[1:]
		return b, nil
	}
	if s.read == len(s.rest.at) {
		return &types.Batch{}, nil
	}
	if s.out == nil {
		s.out = types.NewBatch(s.types)
	}
	s.read++
	return s.out, s.file.read(&s.rest, s.read-1, s.out)
}

// Close removes the file. It is idempotent.
func (s *Spool) Close() error {
	s.memory, s.read = nil, len(s.rest.at)
	return s.file.Close()
}
