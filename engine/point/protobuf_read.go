package point

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
)

// ParseProtobuf appends the points of a PBPoints body to dst, all or none. Fields keep their order and
// duplicate keys; strings share the body, which must not change while the points live, and the rest stands in
// the arena. Unknown members are skipped. A truncated body is io.ErrUnexpectedEOF.
func ParseProtobuf(dst []Point, a *Arena, body []byte, o ReadOptions) ([]Point, error) {
	r := pbReader{b: builder{arena: a}, o: &o}
	before := len(dst)
	m := pbMessage{rest: body}
	for m.next() {
		if m.field != pbPointsArr {
			continue
		}
		if o.MaxPoints > 0 && len(dst)-before == o.MaxPoints {
			return dst[:before], ErrTooManyPoints
		}
		p, err := r.point(m.message())
		if err != nil {
			return dst[:before], err
		}
		dst = append(dst, p)
	}
	if m.err != nil {
		return dst[:before], m.err
	}
	return dst, nil
}

var errLongNumber = errors.New("protobuf: number of more than 64 bits")

// pbMessage walks the members of a message. After next has returned true the member is in the other fields.
type pbMessage struct {
	rest  []byte
	err   error
	field int
	wire  byte
	u     uint64 // varint, 64 or 32 bits
	bytes []byte
}

func (m *pbMessage) next() bool {
	if m.err != nil || len(m.rest) == 0 {
		return false
	}
	tag := m.varint()
	m.field, m.wire = int(tag>>3), byte(tag&7)
	switch m.wire {
	case wireVarint:
		m.u = m.varint()
	case wire64:
		if b := m.take(8); b != nil {
			m.u = binary.LittleEndian.Uint64(b)
		}
	case wire32:
		if b := m.take(4); b != nil {
			m.u = uint64(binary.LittleEndian.Uint32(b))
		}
	case wireBytes:
		m.bytes = m.take(m.varint())
	default: // groups are not used by any version of the encoding
		m.fail(fmt.Errorf("protobuf: invalid wire type %d", m.wire))
	}
	if m.err == nil && (m.field == 0 || tag > math.MaxUint32) {
		m.fail(fmt.Errorf("protobuf: invalid field number %d", tag>>3))
	}
	return m.err == nil
}

func (m *pbMessage) fail(err error) {
	if m.err == nil {
		m.err = err
	}
}

func (m *pbMessage) varint() uint64 {
	if len(m.rest) > 0 && m.rest[0] < 0x80 {
		u := uint64(m.rest[0])
		m.rest = m.rest[1:]
		return u
	}
	u, n := binary.Uvarint(m.rest)
	switch {
	case n > 0:
		m.rest = m.rest[n:]
		return u
	case n == 0:
		m.fail(io.ErrUnexpectedEOF)
	default:
		m.fail(errLongNumber)
	}
	m.rest = nil
	return 0
}

func (m *pbMessage) take(n uint64) []byte {
	if n > uint64(len(m.rest)) {
		m.fail(io.ErrUnexpectedEOF)
		return nil
	}
	b := m.rest[:n:n]
	m.rest = m.rest[n:]
	return b
}

// want reports whether the member has the given wire type, and fails if not.
func (m *pbMessage) want(wire byte) bool {
	if m.wire != wire {
		m.failWire(wire)
	}
	return m.wire == wire
}

func (m *pbMessage) failWire(want byte) {
	m.fail(fmt.Errorf("protobuf: wire type %d of field %d, expecting %d", m.wire, m.field, want))
}

// message returns the member as a message of its own, with the error if it cannot be one.
func (m *pbMessage) message() pbMessage {
	m.want(wireBytes)
	return pbMessage{rest: m.bytes, err: m.err}
}

func (m *pbMessage) text() string {
	if !m.want(wireBytes) {
		return ""
	}
	return shared(m.bytes)
}

func (m *pbMessage) number() uint64 {
	if !m.want(wireVarint) {
		return 0
	}
	return m.u
}

// scalar returns the value of the member of a Field.
func (m *pbMessage) scalar(field int) (v Value, ok bool) {
	switch field {
	case pbFieldInt:
		return Int(int64(m.number())), true
	case pbFieldUint:
		return Uint(m.number()), true
	case pbFieldFloat:
		m.want(wire64)
		return Float(math.Float64frombits(m.u)), true
	case pbFieldBool:
		return Bool(m.number() != 0), true
	case pbFieldBytes:
		m.want(wireBytes)
		return Bytes(m.bytes), true
	case pbFieldStr:
		return String(m.text()), true
	}
	return v, false
}

// basicInField gives for the members of BasicTypes their numbers in a Field.
var basicInField = [...]int{
	pbBasicInt: pbFieldInt, pbBasicUint: pbFieldUint, pbBasicFloat: pbFieldFloat, pbBasicBool: pbFieldBool, pbBasicBytes: pbFieldBytes, pbBasicStr: pbFieldStr,
}

type pbReader struct {
	b builder
	o *ReadOptions
}

func (r *pbReader) point(m pbMessage) (p Point, err error) {
	p = Point{Record: -1, Category: r.o.Category}
	r.b.begin()
	for m.next() {
		switch m.field {
		case pbPointName:
			p.Name = m.text()
		case pbPointFields:
			in := m.message()
			m.fail(r.field(&in, &p))
		case pbPointTime:
			p.Time = int64(m.number())
		case pbPointWarns:
			var w Warn
			in := m.message()
			for in.next() {
				switch in.field {
				case pbWarnType:
					w.Type = in.text()
				case pbWarnMessage:
					w.Message = in.text()
				}
			}
			m.fail(in.err)
			p.addWarn(w)
		}
	}
	if m.err == nil && p.Time != 0 {
		ns, ok := r.o.Precision.Time(p.Time)
		if p.Time = ns; !ok {
			m.err = errTimeRange
		}
	}
	if m.err != nil {
		r.b.abandon()
		return p, m.err
	}
	if p.Time == 0 {
		p.Time = r.o.Now
	}
	p.Fields = r.b.finish(r.o.Spare)
	return p, nil
}

// describe keeps the type and unit of a field if it has any.
func (p *Point) describe(key string, kind MetricType, unit string) {
	if kind > MetricUnspecified && kind <= MetricGauge {
		e := p.extra()
		if e.Types == nil {
			e.Types = make(map[string]MetricType)
		}
		e.Types[key] = kind
	}
	if unit != "" {
		e := p.extra()
		if e.Units == nil {
			e.Units = make(map[string]string)
		}
		e.Units[key] = unit
	}
}

// addWarn adds a warning that came with the point.
func (p *Point) addWarn(w Warn) {
	if e := p.extra(); len(e.Warns) < maxWarns {
		e.Warns = append(e.Warns, w)
	}
}

// extra returns p.Extra, which it makes when there is none.
func (p *Point) extra() *Extra {
	if p.Extra == nil {
		p.Extra = new(Extra)
	}
	return p.Extra
}

func (r *pbReader) field(m *pbMessage, p *Point) error {
	var (
		f    = r.b.slot()
		kind MetricType
		unit string
	)
	for m.next() {
		switch m.field {
		case pbFieldKey:
			f.Key = m.text()
		case pbFieldAny:
			v, err := r.any(m.message())
			m.fail(err)
			f.Value = v
		case pbFieldTag:
			f.Tag = m.number() != 0
		case pbFieldType:
			kind = MetricType(min(m.number(), math.MaxUint8))
		case pbFieldUnit:
			unit = m.text()
		default:
			if v, ok := m.scalar(m.field); ok {
				f.Value = v
			}
		}
	}
	if m.err != nil {
		return m.err
	}
	if f.Tag && f.Value.kind != KindString {
		v := f.Value
		f.Value = String(r.b.arena.text(func(dst []byte) []byte { return AppendText(dst, v) }))
	}
	key := f.Key
	if r.b.add() {
		p.describe(key, kind, unit)
	}
	return nil
}

// any reads a packed Array or Map. Anything else is nil.
func (r *pbReader) any(m pbMessage) (Value, error) {
	url, value := "", []byte(nil)
	for m.next() {
		switch m.field {
		case pbAnyURL:
			url = m.text()
		case pbAnyValue:
			m.want(wireBytes)
			value = m.bytes
		}
	}
	switch {
	case m.err != nil:
		return Nil(), m.err
	case url == arrayURL:
		return r.array(pbMessage{rest: value})
	case url == mapURL:
		return readMap(pbMessage{rest: value})
	}
	return Nil(), nil
}

func (r *pbReader) array(m pbMessage) (Value, error) {
	a := r.b.arena
	start := len(a.values)
	for m.next() {
		if m.field != 1 {
			continue
		}
		in := m.message()
		v := in.basic()
		m.fail(in.err)
		a.values, start = room(a.values, start, 1)
		a.values = append(a.values, v)
	}
	if m.err != nil {
		a.values = a.values[:start]
		return Nil(), m.err
	}
	var items []Value
	a.values, items = take(a.values, start, 0)
	return List(items), nil
}

// basic reads a BasicTypes, nil if it is empty.
func (m *pbMessage) basic() (v Value) {
	for m.next() {
		if m.field < len(basicInField) {
			if x, ok := m.scalar(basicInField[m.field]); ok {
				v = x
			}
		}
	}
	return v
}

func readMap(m pbMessage) (Value, error) {
	entries := make(map[string]Value)
	for m.next() {
		if m.field != 1 {
			continue
		}
		key, v := "", Nil()
		in := m.message()
		for in.next() {
			switch in.field {
			case 1:
				key = in.text()
			case 2:
				basic := in.message()
				v = basic.basic()
				in.fail(basic.err)
			}
		}
		m.fail(in.err)
		entries[key] = v
	}
	return Map(entries), m.err
}
