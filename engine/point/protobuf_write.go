package point

import (
	"encoding/binary"
)

// Field numbers of package point in DataKit's protobuf encoding.
const (
	pbPointsArr = 1

	pbPointName   = 1
	pbPointFields = 2
	pbPointTime   = 3
	pbPointWarns  = 4

	pbFieldKey   = 1
	pbFieldInt   = 2
	pbFieldUint  = 3
	pbFieldFloat = 4
	pbFieldBool  = 5
	pbFieldBytes = 6
	pbFieldAny   = 7
	pbFieldTag   = 8
	pbFieldType  = 9
	pbFieldUnit  = 10
	pbFieldStr   = 11

	// Of BasicTypes, which has the scalars of a Field under other numbers.
	pbBasicInt   = 1
	pbBasicUint  = 2
	pbBasicFloat = 3
	pbBasicBool  = 4
	pbBasicBytes = 5
	pbBasicStr   = 6

	pbWarnType    = 1
	pbWarnMessage = 2

	pbAnyURL   = 1
	pbAnyValue = 2

	arrayURL = "type.googleapis.com/point.Array"
	mapURL   = "type.googleapis.com/point.Map"
)

// Wire types.
const (
	wireVarint = 0
	wire64     = 1
	wireBytes  = 2
	wire32     = 5
)

// AppendProtobuf appends p as one element of a PBPoints message: the points of a body are written one after
// the other and nothing stands around them. Fields keep their order. Of the extra tags those are written
// whose key p does not have. A list of mixed types and a map become their JSON text.
func AppendProtobuf(dst []byte, p *Point, extra []Field) []byte {
	dst, at := openMessage(dst, pbPointsArr, 2)
	if p.Name != "" {
		dst = appendText(dst, pbPointName, p.Name)
	}
	for i := range p.Fields {
		dst = appendField(dst, &p.Fields[i], p.Extra)
	}
	for i := range extra {
		if p.Index(extra[i].Key) < 0 {
			dst = appendField(dst, &extra[i], nil)
		}
	}
	if p.Time != 0 {
		dst = appendInt(dst, pbPointTime, uint64(p.Time))
	}
	if p.Extra != nil {
		for _, w := range p.Extra.Warns {
			var in int
			dst, in = openMessage(dst, pbPointWarns, 1)
			dst = appendText(dst, pbWarnType, w.Type)
			dst = appendText(dst, pbWarnMessage, w.Message)
			dst = closeMessage(dst, in, 1)
		}
	}
	return closeMessage(dst, at, 2)
}

// openMessage begins a message whose length probably takes the given number of bytes.
func openMessage(dst []byte, field byte, lengthBytes int) (_ []byte, start int) {
	dst = append(dst, field<<3|wireBytes)
	start = len(dst)
	return append(dst, 0, 0)[:start+lengthBytes], start
}

// closeMessage writes the length of the message that was opened at start, and moves what it holds if the
// length takes another number of bytes.
func closeMessage(dst []byte, start, lengthBytes int) []byte {
	n := len(dst) - start - lengthBytes
	var room [binary.MaxVarintLen64]byte
	length := room[:binary.PutUvarint(room[:], uint64(n))]
	if len(length) > lengthBytes {
		dst = append(dst, length[lengthBytes:]...)
	}
	if len(length) != lengthBytes {
		copy(dst[start+len(length):], dst[start+lengthBytes:start+lengthBytes+n])
	}
	copy(dst[start:], length)
	return dst[:start+len(length)+n]
}

func appendText(dst []byte, field byte, s string) []byte {
	dst = append(dst, field<<3|wireBytes)
	dst = binary.AppendUvarint(dst, uint64(len(s)))
	return append(dst, s...)
}

func appendInt(dst []byte, field byte, u uint64) []byte {
	return binary.AppendUvarint(append(dst, field<<3|wireVarint), u)
}

// scalarNumbers are the field numbers of the scalar kinds in a Field and in a BasicTypes.
type scalarNumbers [KindBytes + 1]byte

var (
	inField = scalarNumbers{KindBool: pbFieldBool, KindInt: pbFieldInt, KindUint: pbFieldUint, KindFloat: pbFieldFloat, KindString: pbFieldStr, KindBytes: pbFieldBytes}
	inBasic = scalarNumbers{KindBool: pbBasicBool, KindInt: pbBasicInt, KindUint: pbBasicUint, KindFloat: pbBasicFloat, KindString: pbBasicStr, KindBytes: pbBasicBytes}
)

func appendScalar(dst []byte, v Value, numbers *scalarNumbers) []byte {
	field := numbers[v.kind]
	switch v.kind {
	case KindFloat:
		return binary.LittleEndian.AppendUint64(append(dst, field<<3|wire64), v.num)
	case KindString, KindBytes:
		return appendText(dst, field, shared(v.Raw()))
	}
	return appendInt(dst, field, v.num)
}

func appendField(dst []byte, f *Field, e *Extra) []byte {
	dst, at := openMessage(dst, pbPointFields, 1)
	dst = appendText(dst, pbFieldKey, f.Key)
	v := f.Value
	if f.Tag && v.kind != KindString {
		v = tagText(v)
	}
	switch v.kind {
	case KindBool, KindInt, KindUint, KindFloat, KindBytes:
		dst = appendScalar(dst, v, &inField)
	case KindList:
		if v.num == 0 || elementKind(v.Items()) != KindNil {
			dst = appendArray(dst, v.Items())
		} else {
			v = StringOf(AppendJSON(nil, v))
		}
	case KindMap:
		v = StringOf(AppendJSON(nil, v))
	}
	if f.Tag {
		dst = append(dst, pbFieldTag<<3|wireVarint, 1)
	}
	if e != nil {
		if t := e.Types[f.Key]; t != MetricUnspecified {
			dst = appendInt(dst, pbFieldType, uint64(t))
		}
		if u := e.Units[f.Key]; u != "" {
			dst = appendText(dst, pbFieldUnit, u)
		}
	}
	if v.kind == KindString {
		dst = appendText(dst, pbFieldStr, v.Str())
	}
	return closeMessage(dst, at, 1)
}

func appendArray(dst []byte, items []Value) []byte {
	dst, at := openMessage(dst, pbFieldAny, 1)
	dst = appendText(dst, pbAnyURL, arrayURL)
	if len(items) > 0 {
		var value int
		dst, value = openMessage(dst, pbAnyValue, 1)
		for _, x := range items {
			var in int
			dst, in = openMessage(dst, 1, 1)
			dst = appendScalar(dst, x, &inBasic)
			dst = closeMessage(dst, in, 1)
		}
		dst = closeMessage(dst, value, 1)
	}
	return closeMessage(dst, at, 1)
}
