package sources

import (
	"errors"
	"fmt"

	"dataflow/engine"
	"dataflow/engine/point"
)

// maxElements is how many points one message may hold.
const maxElements = 100_000

// decodePointsBatch puts the points that each message holds in its place. The encoding, one of DataKit's, is
// detected message by message. A message with a bad point fails as a whole, as it does at DataKit's write API.
func decodePointsBatch(b *engine.Batch, extra *point.Extra) {
	var (
		arena  point.Arena // lives as long as the points
		limits point.Rules // of every category: what a script or a sink demands beyond is theirs
		fail   []failure
		drop   []int
		out    = make([]point.Point, 0, 2*len(b.Points))
	)
	for i := range b.Points {
		p := &b.Points[i]
		first := len(out)
		o := point.ReadOptions{Now: p.Time, Category: p.Category, Spare: 4, MaxPoints: maxElements}
		var err error
		if out, err = parsePoints(out, &arena, b.Records[p.Record].Value, o); err == nil && b.Records[p.Record].Value == nil {
			err = fmt.Errorf("decoding points: %w", errNull)
		}
		if err != nil {
			fail = append(fail, failure{first, err})
		}
		if len(out) == first {
			if err == nil {
				drop = append(drop, first)
			}
			out = append(out, *p)
			continue
		}
		for j := first; j < len(out); j++ {
			q := &out[j]
			q.Record = p.Record
			if q.Name == "" {
				q.Name = point.DefaultName
			}
			limits.Check(q)
			if extra != nil {
				q.Extra = withIndex(q.Extra, extra)
			}
		}
	}
	b.Points = out
	for _, f := range fail {
		b.Fail(f.index, f.err)
	}
	for _, i := range drop {
		b.Drop(i, "no_points")
	}
}

// withIndex returns the extras of a point with the storage index of a stream.
func withIndex(e, stream *point.Extra) *point.Extra {
	if e == nil {
		return stream
	}
	own := *e
	own.StorageIndex = stream.StorageIndex
	return &own
}

// parsePoints appends the points of a message, all or none. A JSON body is an array, or one point. A protobuf body begins with
// the tag of its first point, which is a newline to line protocol, so what is no protobuf may still be that.
func parsePoints(dst []point.Point, a *point.Arena, body []byte, o point.ReadOptions) ([]point.Point, error) {
	before := len(dst)
	if len(body) > 0 && body[0] == '\n' {
		out, err := point.ParseProtobuf(dst, a, body, o)
		if err == nil && len(out) > before {
			return out, nil
		}
		out, lineErr := point.ParseLines(dst[:before], a, body, o)
		if lineErr == nil {
			return out, nil
		}
		if err == nil {
			err = lineErr
		}
		return dst[:before], fmt.Errorf("decoding protobuf points: %w", err)
	}
	switch firstByte(body) {
	case '[':
		out, err := point.ParseJSON(dst, a, body, o)
		if err != nil {
			return dst[:before], fmt.Errorf("decoding JSON points: %w", err)
		}
		return out, nil
	case '{': // one point; a body of the write API is a list of them. The name of a line may begin so, too
		list := append(append(make([]byte, 0, len(body)+2), '['), body...)
		if out, err := point.ParseJSON(dst, a, append(list, ']'), o); err == nil {
			return out, nil
		}
		dst = dst[:before]
	}
	out, err := point.ParseLines(dst, a, body, o)
	if err != nil {
		return dst[:before], fmt.Errorf("decoding line protocol: %w", firstLine(err))
	}
	return out, nil
}

// firstLine returns the error of the first bad line: the whole error would repeat the message.
func firstLine(err error) error {
	var bad *point.LinesError
	if errors.As(err, &bad) && len(bad.Lines) > 0 {
		l := bad.Lines[0]
		return fmt.Errorf("line %d: %s", l.Line, l.Reason)
	}
	return err
}

// firstByte returns the first byte that is no space, 0 if there is none.
func firstByte(body []byte) byte {
	for _, c := range body {
		switch c {
		case ' ', '\t', '\r', '\n', 0:
		default:
			return c
		}
	}
	return 0
}
