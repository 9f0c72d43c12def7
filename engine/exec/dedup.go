package exec

import (
	"context"

	"github.com/kalamgo/kalam/engine/plan"
	"github.com/kalamgo/kalam/engine/types"
)

// dedup finds the rows that are the first with their values. Rows that it has
// no memory to decide on it sets aside in a file, for after the others.
type dedup struct {
	types []types.Type
	width int // columns that are compared; those after come along
	keys  *keyTable
	batch keyBatch
	mem   account
	file  spillFile
	level int
	aside *partitioner
	work  []spillTask
	now   batchSource
	sel   []int32
	out   *types.Batch
}

func newDedup(ts []types.Type, width int, rt *Runtime) *dedup {
	return &dedup{types: ts, width: width, keys: newKeyTable(ts[:width]), mem: rt.account(),
		file: rt.spillFile(), out: emptyBatch(ts)}
}

// filter returns the rows of b that are new, valid until the next call.
func (d *dedup) filter(b *types.Batch) ([]int32, error) {
	d.batch.read(b.Columns[:d.width], b.Len)
	d.sel = d.sel[:0]
	full := d.keys.len() > 0 && d.mem.full()
	for i := range b.Len {
		if d.keys.find(&d.batch, i) >= 0 {
			continue
		}
		if !full {
			d.keys.add(&d.batch, i)
			d.sel = append(d.sel, int32(i))
			continue
		}
		if d.aside == nil {
			d.aside = newPartitioner(&d.file, d.types, d.level)
		}
		if err := d.aside.add(b, i, d.batch.hashes[i]); err != nil {
			return nil, err
		}
	}
	d.mem.set(d.keys.bytes())
	return d.sel, nil
}

// rest returns the next rows that are new among those set aside, an empty batch
// at the end.
func (d *dedup) rest(ctx context.Context) (*types.Batch, error) {
	for {
		if d.now == nil {
			if d.aside != nil {
				var err error
				if d.work, err = d.aside.tasks(d.work); err != nil {
					return nil, err
				}
				d.aside = nil
			}
			if len(d.work) == 0 {
				d.out.Reset()
				return d.out, nil
			}
			t := d.work[len(d.work)-1]
			d.work = d.work[:len(d.work)-1]
			d.now, d.level = d.file.source(t.stream, d.types), t.level
			d.keys.clear()
			d.mem.set(0)
		}
		b, err := d.now.Next(ctx)
		if err != nil {
			return nil, err
		}
		if b.Len == 0 {
			d.now = nil
			continue
		}
		sel, err := d.filter(b)
		if err != nil {
			return nil, err
		}
		if len(sel) > 0 {
			d.out.Gather(b, sel)
			return d.out, nil
		}
	}
}

// reset forgets all rows and removes the file.
func (d *dedup) reset() error {
	d.keys.clear()
	d.mem.set(0)
	d.level, d.aside, d.work, d.now = 0, nil, nil, nil
	return d.file.Close()
}

// distinct drops repeated rows. Those that it yields keep the input's order
// unless it spills.
type distinct struct {
	input Operator
	dedup *dedup
	ended bool
	out   *types.Batch
}

func buildDistinct(n *plan.Distinct, rt *Runtime) (Operator, error) {
	in, err := Build(n.Input, rt)
	ts := n.Input.Types()
	return &distinct{input: in, dedup: newDedup(ts, len(ts), rt), out: emptyBatch(ts)}, err
}

func (d *distinct) Open(ctx context.Context) error {
	d.ended = false
	return d.input.Open(ctx)
}

func (d *distinct) Next(ctx context.Context) (*types.Batch, error) {
	for !d.ended {
		if err := interrupted(ctx); err != nil {
			return nil, err
		}
		b, err := d.input.Next(ctx)
		if err != nil {
			return nil, err
		}
		if b.Len == 0 {
			d.ended = true
			break
		}
		sel, err := d.dedup.filter(b)
		switch {
		case err != nil:
			return nil, err
		case len(sel) == b.Len:
			return b, nil
		case len(sel) > 0:
			d.out.Gather(b, sel)
			return d.out, nil
		}
	}
	return d.dedup.rest(ctx)
}

func (d *distinct) Close() error {
	err := d.input.Close()
	if e := d.dedup.reset(); err == nil {
		err = e
	}
	return err
}
