package sources

import (
	"bytes"
	"encoding/binary"

	"dataflow/engine/point"
)

// A workroom is the memory of the points of one body. It is used again when the graph is done with them, as that of other batches is:
// else the collector would have more work with the points than reading them is.
type workroom struct {
	arena  point.Arena
	points []point.Point
}

// take returns room for n points.
func (m *workroom) take(n int) []point.Point {
	if cap(m.points) < n {
		m.points = make([]point.Point, 0, n)
	}
	return m.points[:0]
}

// giveBack keeps the memory of points that nobody refers to any more, but their texts. What one odd body blew up is not kept.
func (s *httpSource) giveBack(m *workroom, points []point.Point) {
	const most, mostFields = 1 << 14, 1 << 17
	clear(points)
	if m.points = points[:0]; m.arena.ResetFields() <= mostFields && cap(points) <= most {
		s.rooms.Put(m)
	}
}

// spareFields is the capacity behind the fields of each point, for those that operators add.
const spareFields = 4

// mostPoints returns how many points a body may have. Small ones may have any; of a large one whose points are but a few bytes the engine
// would hold a hundred times its size.
func (s *httpSource) mostPoints(e *bodyEncoding, category point.Category, body []byte) int {
	const few, leastRUM = 1000, 32 // points of RUM get five tags each
	least := e.least
	if category == point.RUM {
		least = max(least, leastRUM)
	}
	return min(s.config.MaxPoints, max(few, len(body)/least))
}

// roomFor returns for how many points to make room, and how much behind the fields of each.
func roomFor(e *bodyEncoding, body []byte, most int) (points, spare int) {
	switch e {
	case &encodedLines:
		points = bytes.Count(body, []byte{'\n'}) + 1
	case &encodedProtobuf:
		points = countMessages(body, most)
	default:
		points = bytes.Count(body, []byte{'{'})/3 + 1 // of an object with tags and fields
	}
	points = min(points, most)
	const typical = 64 // bytes of a point
	if len(body)/points >= typical {
		return points, spareFields
	}
	return points, 1
}

// countMessages returns how many members a protobuf message has, at most one more than most. It is at least 1.
func countMessages(body []byte, most int) int {
	n := 0
	for len(body) > 0 && n <= most {
		size, k := binary.Uvarint(body[1:])
		if k <= 0 || size > uint64(len(body)-1-k) {
			break
		}
		body = body[1+k+int(size):]
		n++
	}
	return max(n, 1)
}
