package exec

import (
	"context"

	"github.com/kalamgo/kalam/engine/types"
)

// seenRows knows all rows that a recursion yielded. Those that there is no memory
// for are in a file, parted by their hashes; whether a row is among them is
// decided at the end of its round.
type seenRows struct {
	types []types.Type
	keys  *keyTable
	batch keyBatch
	mem   account
	full  bool // keys takes no more
	sel   []int32
	out   *types.Batch

	file  spillFile
	known [partitions]spillStream // the rows in the file

	round spillFile
	asked *partitioner // rows of the round that keys doesn't have, or nil
	part  int          // the part that is decided on
	src   batchSource  // what is left of its rows, or nil
	rows  *rows        // some of them, once each
	fresh []uint32     // those of them that are new
}

func newSeenRows(ts []types.Type, rt *Runtime) *seenRows {
	return &seenRows{types: ts, keys: newKeyTable(ts), mem: rt.account(), out: emptyBatch(ts),
		file: rt.spillFile(), round: rt.spillFile(), rows: newRows(ts)}
}

// filter returns the rows of b that are known to be new.
func (s *seenRows) filter(b *types.Batch) (*types.Batch, error) {
	s.batch.read(b.Columns, b.Len)
	s.sel = s.sel[:0]
	for i := range b.Len {
		switch {
		case s.keys.find(&s.batch, i) >= 0:
		case !s.full:
			s.keys.add(&s.batch, i)
			s.sel = append(s.sel, int32(i))
		default:
			if s.asked == nil {
				s.asked, s.part, s.src = newPartitioner(&s.round, s.types, 0), -1, nil
			}
			if err := s.asked.add(b, i, s.batch.hashes[i]); err != nil {
				return nil, err
			}
		}
	}
	s.mem.set(s.keys.bytes())
	s.full = s.full || s.mem.full()
	if len(s.sel) == b.Len {
		return b, nil
	}
	s.out.Gather(b, s.sel)
	return s.out, nil
}

// rest returns the next rows of a round that are new, an empty batch when there
// are no more.
func (s *seenRows) rest(ctx context.Context) (*types.Batch, error) {
	for s.asked != nil {
		if n := min(len(s.fresh), rowsPerBatch(s.rows.maxRow)); n > 0 {
			for c, v := range s.out.Columns {
				s.rows.gather(v, c, s.fresh[:n], false)
			}
			s.out.Len, s.fresh = n, s.fresh[n:]
			return s.out, s.file.write(&s.known[s.part], s.out)
		}
		if s.src == nil {
			if s.part < 0 {
				if err := s.asked.finish(); err != nil {
					return nil, err
				}
			}
			if s.part++; s.part == partitions {
				s.asked = nil
				s.forget()
				if err := s.round.Close(); err != nil {
					return nil, err
				}
				break
			}
			s.src = s.round.source(&s.asked.streams[s.part], s.types)
		}
		if err := s.decide(ctx); err != nil {
			return nil, err
		}
	}
	s.out.Reset()
	return s.out, nil
}

// decide finds out which of the part's next rows, as many as there is memory for,
// are new.
func (s *seenRows) decide(ctx context.Context) error {
	s.forget()
	some := newKeyTable(s.types)
	var refs []uint32
	for s.mem.held < s.mem.limit/8 || some.len() == 0 {
		b, err := s.src.Next(ctx)
		if err != nil {
			return err
		}
		if b.Len == 0 {
			s.src = nil
			break
		}
		s.batch.read(b.Columns, b.Len)
		s.sel = s.sel[:0]
		for i := range b.Len {
			if some.find(&s.batch, i) < 0 {
				some.add(&s.batch, i)
				s.sel = append(s.sel, int32(i))
			}
		}
		s.out.Gather(b, s.sel)
		refs = s.rows.append(s.out, refs)
		s.mem.set(s.keys.bytes() + some.bytes() + s.rows.bytes())
	}
	old := make([]bool, some.len())
	err := each(ctx, s.file.source(&s.known[s.part], s.types), func(b *types.Batch) error {
		s.batch.read(b.Columns, b.Len)
		for i := range b.Len {
			if n := some.find(&s.batch, i); n >= 0 {
				old[n] = true
			}
		}
		return nil
	})
	s.fresh = s.fresh[:0]
	for n, ref := range refs {
		if !old[n] {
			s.fresh = append(s.fresh, ref)
		}
	}
	return err
}

// forget drops the rows that were decided on.
func (s *seenRows) forget() {
	s.rows.clear()
	s.fresh = nil
	s.mem.set(s.keys.bytes())
}

// clear forgets all rows and removes the files.
func (s *seenRows) clear() error {
	s.keys.clear()
	s.forget()
	s.mem.set(0)
	s.full, s.asked, s.src = false, nil, nil
	s.known = [partitions]spillStream{}
	return closeAll(&s.file, &s.round)
}
