package sources

import (
	"bytes"
	"context"
	"fmt"

	"dataflow/engine"
	"dataflow/engine/point"
	"dataflow/engine/watermark"
)

// fileChunk is what is read of a file at once; the points of a batch share it.
const fileChunk = 256 << 10

// lineFile cuts what is read of a file into lines.
type lineFile struct {
	*file
	origin *engine.Origin
	point  string        // name of the points
	tags   []point.Field // of each
	at     int64         // where rest begins in the file
	rest   []byte        // a line that has no end yet
	skip   bool          // the rest of a line that is too long is passed over
	// Enter, if given, enters a batch that ends at end into the books of who stores positions. Behind end nothing is
	// whole: the rest of a line that was too long is passed over again when reading goes on there.
	enter func(end int64, points int, now int64) *watermark.Entry
}

// emitLines emits the lines of data, which begin at l.at in the file. What behind the last newline is no line
// yet stays in l.rest unless the file ends.
func (l *lineFile) emitLines(ctx context.Context, data []byte, end bool, emit engine.Emit) error {
	for len(data) > 0 {
		// A batch clears as much memory as it reserves, so that one of a single line must not reserve a thousand.
		b := engine.Reserve(min(batchMessages, bytes.Count(data, []byte{'\n'})+1), fieldsPerPoint)
		b.Origin, b.Read = l.origin, l.env.Now().UnixNano()
		next, whole, skip, size := l.at, l.at, l.skip, 0
		for len(data) > 0 && len(b.Points) < batchMessages && size < batchBytes {
			n := bytes.IndexByte(data, '\n')
			line, taken := data, len(data)
			switch {
			case n >= 0:
				line, taken = data[:n], n+1
			case end:
			case len(data) > l.env.Limits.Message:
			default:
				taken = 0
			}
			if taken == 0 {
				break
			}
			if !skip {
				size += l.add(b, line, next)
			}
			skip = n < 0 && !end
			next += int64(taken)
			if !skip {
				whole = next
			}
			data = data[taken:]
		}
		if len(b.Points) > 0 {
			if err := l.hand(ctx, b, size, whole, emit); err != nil {
				return err
			}
		}
		if next == l.at {
			break
		}
		l.at, l.skip = next, skip
	}
	l.rest = data
	return nil
}

// hand emits a batch of so many estimated bytes that ends at end.
func (l *lineFile) hand(ctx context.Context, b *engine.Batch, size int, end int64, emit engine.Emit) error {
	if l.enter == nil {
		b.Arm(size, nil)
		return emit(ctx, b)
	}
	entry := l.enter(end, len(b.Points), b.Read)
	b.Arm(size, entry.Ack())
	err := emit(ctx, b)
	if err != nil {
		entry.Withdraw()
	}
	return err
}

// add adds the point of a line and returns its estimated bytes.
func (l *lineFile) add(b *engine.Batch, line []byte, offset int64) int {
	line = bytes.TrimSuffix(line, []byte{'\r'})
	whole := len(line) <= l.env.Limits.Message
	if !whole {
		line = line[:l.env.Limits.Message]
	}
	b.Records = append(b.Records, engine.Record{Origin: l.origin, Offset: offset, Value: line})
	p := b.Add()
	p.Name, p.Category, p.Time, p.Record = l.point, l.category, b.Read, int32(len(b.Records)-1)
	p.Fields = append(append(p.Fields, l.tags...), point.Field{Key: "message", Value: point.StringOf(line)})
	if !whole {
		b.Fail(len(b.Points)-1, fmt.Errorf("reading %s: the line at byte %d is longer than limits.message (%s)", l.origin.Topic, offset, engine.Size(l.env.Limits.Message)))
	}
	return messageBytes + len(line)
}
