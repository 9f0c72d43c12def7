package exec

import (
	"hash/maphash"
	"slices"

	"github.com/kalamgo/kalam/engine/types"
)

// keyTable numbers distinct keys from 0 as they come: groups, distinct rows,
// join keys. It is a hash table with linear probing; keys are one integer
// column as it is, or group keys (types.AppendGroupKey) of any columns. NULL is
// a key like others. Integers that lie so near to each other that there is a slot for
// each number between them are not hashed: the slots are an array.
type keyTable struct {
	integer bool
	dense   bool     // slots are an array, the first of which is low's
	slots   []uint32 // a key's number + 1, 0: free
	low     int64
	least   int64 // of the integers that are not NULL
	most    int64
	hashes  []uint64 // by number, of group keys
	ints    []int64
	null    int32 // the number of NULL among integer keys, -1: not there
	arena   []byte
	ends    []int // where key i ends in arena
	fetched uint32
}

// keyBatch is the keys of a batch's rows.
type keyBatch struct {
	hashes  []uint64
	nulls   []bool // rows with NULL in their key
	anyNull bool
	ints    []int64
	bytes   []byte
	ends    []int // where row i's group key ends in bytes
}

func integerPhysical(t types.Type) bool {
	p := t.Physical()
	return p == types.PhysInt64 || p == types.PhysUint64
}

func newKeyTable(ts []types.Type) *keyTable {
	return &keyTable{integer: len(ts) == 1 && integerPhysical(ts[0]), null: -1, slots: make([]uint32, 64)}
}

// len returns the number of keys.
func (t *keyTable) len() int {
	if t.integer {
		return len(t.ints)
	}
	return len(t.ends)
}

// bytes returns the memory that the table takes.
func (t *keyTable) bytes() int64 {
	return int64(cap(t.slots))*4 + int64(cap(t.hashes)+cap(t.ints)+cap(t.ends))*8 + int64(cap(t.arena))
}

// clear forgets all keys.
func (t *keyTable) clear() {
	*t = keyTable{integer: t.integer, null: -1, slots: make([]uint32, 64)}
}

var keySeed = maphash.MakeSeed()

// read makes the keys of n rows of cols.
func (k *keyBatch) read(cols []*types.Vector, n int) {
	k.readKeys(cols, n)
	k.hash()
}

// readKeys is read that leaves integers without hashes, until hash is called.
func (k *keyBatch) readKeys(cols []*types.Vector, n int) {
	k.hashes, k.anyNull = k.hashes[:0], false
	k.nulls = slices.Grow(k.nulls[:0], n)[:n]
	clear(k.nulls)
	for _, c := range cols {
		if c.Valid != nil || c.Type.Kind == types.Null {
			for i := range n {
				k.nulls[i] = k.nulls[i] || c.IsNull(i)
				k.anyNull = k.anyNull || k.nulls[i]
			}
		}
	}
	if len(cols) == 1 && integerPhysical(cols[0].Type) {
		k.readInts(cols[0], n)
		return
	}
	k.ints = k.ints[:0]
	k.bytes, k.ends = types.AppendGroupKeys(k.bytes[:0], k.ends[:0], cols, n)
	from := 0
	for _, end := range k.ends {
		k.hashes = append(k.hashes, maphash.Bytes(keySeed, k.bytes[from:end]))
		from = end
	}
}

func (k *keyBatch) readInts(v *types.Vector, n int) {
	k.ints = k.ints[:0]
	if v.Type.Physical() == types.PhysInt64 {
		k.ints = append(k.ints, v.Int64s[:n]...)
	} else {
		for _, x := range v.Uint64s[:n] {
			k.ints = append(k.ints, int64(x))
		}
	}
}

// hash makes the hashes that lack.
func (k *keyBatch) hash() {
	for i := len(k.hashes); i < len(k.ints); i++ {
		x := k.ints[i]
		if k.nulls[i] {
			x = -0x61c8864680b583eb
		}
		k.hashes = append(k.hashes, hashInt(x))
	}
}

func hashInt(x int64) uint64 {
	h := (uint64(x) ^ uint64(x)>>32) * 0x9e3779b97f4a7c15
	h = (h ^ h>>29) * 0xbf58476d1ce4e5b9
	return h ^ h>>32
}

// key returns row i's key of a batch of group keys.
func (k *keyBatch) key(i int) []byte {
	from := 0
	if i > 0 {
		from = k.ends[i-1]
	}
	return k.bytes[from:k.ends[i]]
}

// same reports whether rows i and j have the same key.
func (k *keyBatch) same(i, j int) bool {
	if len(k.ints) > 0 {
		return k.ints[i] == k.ints[j] && k.nulls[i] == k.nulls[j] || k.nulls[i] && k.nulls[j]
	}
	return k.hashes[i] == k.hashes[j] && string(k.key(i)) == string(k.key(j))
}

// find returns the number of row i's key, or -1.
func (t *keyTable) find(k *keyBatch, i int) int32 {
	if t.integer && k.nulls[i] {
		return t.null
	}
	if t.dense {
		if x := uint64(k.ints[i] - t.low); x < uint64(len(t.slots)) {
			return int32(t.slots[x]) - 1
		}
		return -1
	}
	h := k.hashes[i]
	mask := uint64(len(t.slots) - 1)
	for s := h & mask; ; s = (s + 1) & mask {
		n := t.slots[s]
		if n == 0 {
			return -1
		}
		if t.integer {
			if t.ints[n-1] == k.ints[i] {
				return int32(n - 1)
			}
		} else if t.hashes[n-1] == h && t.is(int(n-1), k, i) {
			return int32(n - 1)
		}
	}
}

// numbers appends the numbers of n rows' keys to dst, and to new which rows' keys were not
// there yet: they are added.
func (t *keyTable) numbers(k *keyBatch, n int, dst, new []int32) (_, _ []int32) {
	for i := 0; i < n; i++ {
		if t.dense && !k.anyNull {
			low, slots := t.low, t.slots
			for ; i < n; i++ {
				x := uint64(k.ints[i] - low)
				if x >= uint64(len(slots)) || slots[x] == 0 {
					break
				}
				dst = append(dst, int32(slots[x])-1)
			}
			if i == n {
				break
			}
		} else if !t.dense && len(k.hashes) < n {
			k.hash()
			t.fetch(k)
		}
		g := t.find(k, i)
		if g < 0 {
			g = t.add(k, i)
			new = append(new, int32(i))
		}
		dst = append(dst, g)
	}
	return dst, new
}

// largeTable is of how many slots a table does not stay in the processor's caches.
const largeTable = 1 << 16

// fetch has the slots of a batch's keys brought into the processor's caches, those of
// many keys at a time: find alone waits for one after the other.
func (t *keyTable) fetch(k *keyBatch) {
	if len(t.slots) < largeTable {
		return
	}
	mask, sum := uint64(len(t.slots)-1), uint32(0)
	if t.dense {
		for _, x := range k.ints {
			if x := uint64(x - t.low); x <= mask {
				sum += t.slots[x]
			}
		}
	} else {
		for _, h := range k.hashes {
			sum += t.slots[h&mask]
		}
	}
	t.fetched = sum // or the loop would be left out
}

// is reports whether key n, a group key, is row i's.
func (t *keyTable) is(n int, k *keyBatch, i int) bool {
	from := 0
	if n > 0 {
		from = t.ends[n-1]
	}
	return string(t.arena[from:t.ends[n]]) == string(k.key(i))
}

// add numbers row i's key, which is not there yet.
func (t *keyTable) add(k *keyBatch, i int) int32 {
	n := t.len()
	if t.integer {
		x := k.ints[i]
		t.ints = appendDoubling(t.ints, x)
		if k.nulls[i] {
			t.null = int32(n) // it is in no slot
			return int32(n)
		}
		if n == 0 || n == 1 && t.null == 0 {
			t.least, t.most = x, x
		}
		t.least, t.most = min(t.least, x), max(t.most, x)
	} else {
		t.hashes = appendDoubling(t.hashes, k.hashes[i])
		t.arena = append(t.arena, k.key(i)...)
		t.ends = appendDoubling(t.ends, len(t.arena))
	}
	size := len(t.slots)
	if 2*(n+1) > size {
		size *= 4
	}
	switch span := uint64(t.most) - uint64(t.least); {
	case t.dense && uint64(k.ints[i]-t.low) < uint64(len(t.slots)):
	case !t.dense && (n > 0 || !t.integer) && size == len(t.slots):
	default:
		// The array has free slots on both sides.
		t.dense = t.integer && span < uint64(size)
		t.low = t.least - int64((uint64(size)-span)/2)
		t.slots = make([]uint32, size)
		for n := range t.len() {
			t.place(n)
		}
		return int32(n)
	}
	t.place(n)
	return int32(n)
}

// place puts key n into its slot, or a free one.
func (t *keyTable) place(n int) {
	var h uint64
	switch {
	case !t.integer:
		h = t.hashes[n]
	case int32(n) == t.null:
		return
	case t.dense:
		t.slots[uint64(t.ints[n]-t.low)] = uint32(n + 1)
		return
	default:
		h = hashInt(t.ints[n])
	}
	mask := uint64(len(t.slots) - 1)
	s := h & mask
	for t.slots[s] != 0 {
		s = (s + 1) & mask
	}
	t.slots[s] = uint32(n + 1)
}

// appendDoubling is append for a slice that becomes large step by step: append alone
// copies it at each quarter that it grows by.
func appendDoubling[T any](s []T, x T) []T {
	if len(s) == cap(s) {
		s = slices.Grow(s, max(len(s), 64))
	}
	return append(s, x)
}

const (
	partitionBits = 4
	partitions    = 1 << partitionBits // that spilled rows are divided into
	hashLevels    = 64/partitionBits - 1
)

// partition returns where a row with a key's hash goes when rows are divided
// for the level-th time.
func partition(hash uint64, level int) int {
	return int(hash >> (64 - partitionBits*(1+level%hashLevels)) & (partitions - 1))
}
