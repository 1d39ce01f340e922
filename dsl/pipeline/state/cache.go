package state

import (
	"container/list"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Cache keeps texts under keys for a time each. When it is full the entry that was set the longest time ago goes.
type Cache struct {
	mu      sync.Mutex
	entries map[string]*list.Element // of *entry
	order   list.List                // the entry that was set first in front
	bytes   int
	limit   int
	lost    atomic.Int64
}

type entry struct {
	key, text string
	until     time.Time
}

const entryBytes = 256 // of an entry apart from its texts, estimated

// bytesOf counts the texts of an entry and what is around them.
func bytesOf(e *entry) int { return entryBytes + len(e.key) + len(e.text) }

// longest bounds the life of an entry, so that its end is a time that can be reckoned with.
const longest = 100 * 365 * 24 * time.Hour

// Get returns the text of a key. ok is false if there is none, or if its time is over.
func (c *Cache) Get(key string, now time.Time) (text string, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	at := c.entries[key]
	if at == nil {
		return "", false
	}
	e := at.Value.(*entry)
	if !now.Before(e.until) {
		c.remove(at)
		return "", false
	}
	return e.text, true
}

// Set keeps a copy of text under a key for some seconds from now on, instead of what was there. With 0 seconds or less nothing
// happens.
func (c *Cache) Set(key, text string, seconds int64, now time.Time) {
	if seconds <= 0 {
		return
	}
	until := now.Add(longest)
	if seconds < int64(longest/time.Second) {
		until = now.Add(time.Duration(seconds) * time.Second)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if at := c.entries[key]; at != nil {
		e := at.Value.(*entry)
		e.until = until
		if e.text != text {
			c.bytes -= bytesOf(e)
			e.text = strings.Clone(text)
			c.bytes += bytesOf(e)
		}
		c.order.MoveToBack(at)
	} else {
		if c.entries == nil {
			c.entries = map[string]*list.Element{}
		}
		e := &entry{key: strings.Clone(key), text: strings.Clone(text), until: until}
		c.entries[e.key] = c.order.PushBack(e)
		c.bytes += bytesOf(e)
	}
	c.shrink(now)
}

// shrink removes the oldest entries as long as their time is over or there are too many.
func (c *Cache) shrink(now time.Time) {
	for at := c.order.Front(); at != nil; at = c.order.Front() {
		over := !now.Before(at.Value.(*entry).until)
		if !over && c.bytes <= c.limit {
			return
		}
		if !over {
			c.lost.Add(1)
		}
		c.remove(at)
	}
}

func (c *Cache) remove(at *list.Element) {
	e := c.order.Remove(at).(*entry)
	delete(c.entries, e.key)
	c.bytes -= bytesOf(e)
}
