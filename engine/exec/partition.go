package exec

import (
	"context"

	"github.com/kalamgo/kalam/engine/types"
)

// batchSource is what batches are pulled from: an Operator that is open, or a
// stream of a spillFile.
type batchSource interface {
	Next(ctx context.Context) (*types.Batch, error)
}

// each calls f with every batch of src.
func each(ctx context.Context, src batchSource, f func(*types.Batch) error) error {
	for {
		if err := interrupted(ctx); err != nil {
			return err
		}
		b, err := src.Next(ctx)
		if err != nil || b.Len == 0 {
			return err
		}
		if err := f(b); err != nil {
			return err
		}
	}
}

// streamSource reads a spillStream from its beginning.
type streamSource struct {
	file   *spillFile
	stream *spillStream
	next   int
	batch  *types.Batch
}

func (s *spillFile) source(st *spillStream, ts []types.Type) *streamSource {
	return &streamSource{file: s, stream: st, batch: emptyBatch(ts)}
}

func (s *streamSource) Next(ctx context.Context) (*types.Batch, error) {
	if err := interrupted(ctx); err != nil {
		return nil, err
	}
	if s.next == len(s.stream.at) {
		s.batch.Reset()
		return s.batch, nil
	}
	s.next++
	return s.batch, s.file.read(s.stream, s.next-1, s.batch)
}

// partitioner divides rows by their keys' hashes into streams of a spillFile.
type partitioner struct {
	file    *spillFile
	level   int
	pending [partitions]*types.Batch
	streams [partitions]spillStream
}

func newPartitioner(file *spillFile, ts []types.Type, level int) *partitioner {
	p := &partitioner{file: file, level: level}
	for i := range p.pending {
		p.pending[i] = emptyBatch(ts)
	}
	return p
}

// add takes row i of b.
func (p *partitioner) add(b *types.Batch, i int, hash uint64) error {
	k := partition(hash, p.level)
	d := p.pending[k]
	d.AppendFrom(b, i)
	if d.Len < types.BatchRows && (d.Len%64 != 0 || batchBytes(d) < types.BatchBytes) {
		return nil
	}
	return p.flush(k)
}

func (p *partitioner) flush(k int) error {
	err := p.file.write(&p.streams[k], p.pending[k])
	p.pending[k].Reset()
	return err
}

// finish writes what is pending.
func (p *partitioner) finish() error {
	for k := range p.pending {
		if err := p.flush(k); err != nil {
			return err
		}
	}
	return nil
}

// spillTask is rows that were set aside and are still to be worked on, in parts
// by level further bits of their hashes.
type spillTask struct {
	stream *spillStream
	level  int
}

// tasks writes what is pending and appends a task for each partition that has
// rows.
func (p *partitioner) tasks(dst []spillTask) ([]spillTask, error) {
	err := p.finish()
	for i := range p.streams {
		if p.streams[i].rows > 0 {
			dst = append(dst, spillTask{&p.streams[i], p.level + 1})
		}
	}
	return dst, err
}

// emptyBatch returns an empty batch that has no memory yet.
func emptyBatch(ts []types.Type) *types.Batch {
	b := &types.Batch{Columns: make([]*types.Vector, len(ts))}
	vectors := make([]types.Vector, len(ts))
	for i, t := range ts {
		vectors[i].Type = t
		b.Columns[i] = &vectors[i]
	}
	b.Reset()
	return b
}
