package expr

import (
	"crypto/rand"
	"encoding/binary"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/types"
)

func idNatives() map[string]*native {
	id := func(t types.Type, f func(*Env) types.Value) *native {
		return &native{result: t, notNull: true, perRow: true, eval: func(c *nativeCall) (types.Value, error) {
			return f(c.env), nil
		}}
	}
	return map[string]*native{
		"uuid":         id(types.TextType, func(*Env) types.Value { return uuidText(newUUIDv1()) }),
		"uuid_v7":      id(types.TextType, func(*Env) types.Value { return uuidText(newUUIDv7()) }),
		"ulid":         id(types.TextType, func(*Env) types.Value { return types.NewBytes(newULID()) }),
		"snowflake_id": id(types.Int64Type, func(e *Env) types.Value { return types.NewInt(newSnowflake(e.Node)) }),
		"uuid_short":   id(types.Uint64Type, func(e *Env) types.Value { return types.NewUint(newShort(e.Node)) }),
		"random_bytes": {args: intArg, result: types.BytesType, perRow: true, eval: randomBytesOf},
	}
}

// clockwork gives numbers that follow the clock and rise with every call in the
// process, also while the clock stands or goes back.
type clockwork struct{ last atomic.Int64 }

func (c *clockwork) next(now int64) int64 {
	for {
		last := c.last.Load()
		n := max(now, last+1)
		if c.last.CompareAndSwap(last, n) {
			return n
		}
	}
}

// Milliseconds with a counter of 12 bits, for each kind of identifier.
var ulidClock, v7Clock, snowflakeClock clockwork

// ticks is the time in units of 4096 to a millisecond, which leave room for a counter.
func ticks() int64 { return time.Now().UnixMilli() << 12 }

func randomBytes(b []byte) { _, _ = rand.Read(b) } // it never fails

// randomBytesOf is RANDOM_BYTES(n).
func randomBytesOf(c *nativeCall) (types.Value, error) {
	n := c.args[0].Int()
	if n < 1 || n > 1024 {
		return types.Value{}, sqlerr.DataOutOfRange.New("length value is out of range in 'random_bytes'")
	}
	b := make([]byte, n)
	randomBytes(b)
	return types.NewBytes(b), nil
}

func uuidText(u []byte) types.Value {
	return types.NewBytes(types.AppendText(nil, types.Type{Kind: types.UUID}, types.NewBytes(u)))
}

// v1Node is the process's clock sequence and node in UUIDs of version 1: random, for
// it tells no hardware address.
var v1Node = sync.OnceValue(func() []byte {
	b := make([]byte, 8)
	randomBytes(b)
	b[0] = b[0]&0x3f | 0x80
	b[2] |= 1 // multicast: not a hardware address
	return b
})

var v1Clock clockwork

// newUUIDv1 makes a UUID of time and node (RFC 9562).
func newUUIDv1() []byte {
	// 100 ns ticks since 15 October 1582.
	t := uint64(v1Clock.next(time.Now().UnixNano()/100 + 0x01B21DD213814000))
	u := make([]byte, 8, 16)
	binary.BigEndian.PutUint32(u, uint32(t))
	binary.BigEndian.PutUint16(u[4:], uint16(t>>32))
	binary.BigEndian.PutUint16(u[6:], uint16(t>>48)&0x0fff|0x1000)
	return append(u, v1Node()...)
}

// newUUIDv7 makes a UUID ordered by time (RFC 9562), a counter after the milliseconds.
func newUUIDv7() []byte {
	u := make([]byte, 16)
	randomBytes(u[8:])
	t := uint64(v7Clock.next(ticks()))
	binary.BigEndian.PutUint64(u, t>>12<<16|0x7000|t&0xfff)
	u[8] = u[8]&0x3f | 0x80
	return u
}

// newULID makes a ULID: 26 characters of Crockford's base 32 that hold 48 bits of
// milliseconds and 80 bits, the first 12 a counter and the others random.
func newULID() []byte {
	const alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
	var random [9]byte
	randomBytes(random[:])
	hi := uint64(ulidClock.next(ticks()))<<4 | uint64(random[0]&15)
	lo := binary.BigEndian.Uint64(random[1:])
	out := make([]byte, 26)
	for i := 25; i >= 0; i-- {
		out[i] = alphabet[lo&31]
		lo = lo>>5 | hi<<59
		hi >>= 5
	}
	return out
}

// MaxNode is the largest number of a node in SNOWFLAKE_ID().
const MaxNode = 1023

// snowflakeEpoch is the start of 2020 in Unix milliseconds.
const snowflakeEpoch = 1577836800000

// newSnowflake makes an identifier of 41 bits of milliseconds since 2020, 10 of the node
// and 12 of a counter.
func newSnowflake(node int) int64 {
	t := snowflakeClock.next(ticks() - snowflakeEpoch<<12)
	return t>>12<<22 | int64(node&MaxNode)<<12 | t&0xfff
}

var (
	shortCount atomic.Uint64
	shortStart = uint64(time.Now().Unix())
)

// newShort is UUID_SHORT: the node, when the process started, and a counter.
func newShort(node int) uint64 {
	return uint64(node&0xff)<<56 + shortStart<<24 + shortCount.Add(1)
}
