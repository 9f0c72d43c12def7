package engine

import (
	"container/list"
	"sync"
)

// cache keeps the values used last, up to a number of entries and a number of
// bytes. It may be used from several goroutines at once.
type cache[K comparable, V any] struct {
	maxEntries, maxBytes int

	mu    sync.Mutex
	bytes int
	byKey map[K]*list.Element // of *cached[K, V]
	order *list.List          // used last first

	hits, misses uint64
}

type cached[K comparable, V any] struct {
	key   K
	value V
	bytes int
}

func newCache[K comparable, V any](entries, bytes int) *cache[K, V] {
	return &cache[K, V]{maxEntries: entries, maxBytes: bytes, byKey: map[K]*list.Element{}, order: list.New()}
}

func (c *cache[K, V]) get(k K) (v V, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.byKey[k]
	if e == nil {
		c.misses++
		return v, false
	}
	c.hits++
	c.order.MoveToFront(e)
	return e.Value.(*cached[K, V]).value, true
}

// put keeps a value of about so many bytes; one that would push out much of
// the others is not kept.
func (c *cache[K, V]) put(k K, v V, bytes int) {
	if bytes > c.maxBytes/8 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.byKey[k]; e != nil {
		c.remove(e)
	}
	c.byKey[k] = c.order.PushFront(&cached[K, V]{k, v, bytes})
	c.bytes += bytes
	for c.order.Len() > c.maxEntries || c.bytes > c.maxBytes {
		c.remove(c.order.Back())
	}
}

func (c *cache[K, V]) remove(e *list.Element) {
	x := c.order.Remove(e).(*cached[K, V])
	c.bytes -= x.bytes
	delete(c.byKey, x.key)
}

// stats returns how many lookups found what they asked for, and how many not.
func (c *cache[K, V]) stats() (hits, misses uint64, entries int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.hits, c.misses, c.order.Len()
}
