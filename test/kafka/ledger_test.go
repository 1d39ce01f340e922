package kafka

import (
	"context"
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"

	"dataflow/engine/embedded"
	"dataflow/engine/point"
)

// textLedger gives out messages that tell who they are, run, number and a checksum, and notes which arrive.
type textLedger struct {
	run string

	mu      sync.Mutex
	seen    []uint32 // by number
	ghosts  int
	damaged int
}

// ledgerSum is what a [textLedger] holds.
type ledgerSum struct {
	given, lost, twice, ghosts, damaged int
	firstLost                           []int
}

func (l *textLedger) text(number int) string {
	text := l.run + " " + strconv.Itoa(number)
	return fmt.Sprintf("%s %08x", text, crc32.ChecksumIEEE([]byte(text)))
}

// produce writes the next n messages, spread over the partitions of a topic. All that it has given out are there when it returns without an error.
func (l *textLedger) produce(k *embedded.Kafka, topic string, partitions, n int) error {
	l.mu.Lock()
	first := len(l.seen)
	l.seen = append(l.seen, make([]uint32, n)...)
	l.mu.Unlock()
	records := make([]*kgo.Record, n)
	for i := range records {
		records[i] = &kgo.Record{Topic: topic, Partition: int32((first + i) % partitions), Value: []byte(l.text(first + i))}
	}
	// Not of the test's context: what was given out has to be there.
	return k.Produce(context.Background(), records...)
}

// see notes a point that has arrived.
func (l *textLedger) see(p *point.Point) {
	v, _ := p.Get("message")
	l.note(v.Str())
}

func (l *textLedger) note(message string) {
	run, rest, _ := strings.Cut(message, " ")
	text, _, _ := strings.Cut(rest, " ")
	number, err := strconv.Atoi(text)
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case err != nil || run != l.run || number < 0 || number >= len(l.seen):
		l.ghosts++
	case l.text(number) != message:
		l.damaged++
	default:
		l.seen[number]++
	}
}

func (l *textLedger) sum() ledgerSum {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := ledgerSum{given: len(l.seen), ghosts: l.ghosts, damaged: l.damaged}
	for number, n := range l.seen {
		switch {
		case n == 0:
			if s.lost++; len(s.firstLost) < 10 {
				s.firstLost = append(s.firstLost, number)
			}
		default:
			s.twice += int(n) - 1
		}
	}
	return s
}
