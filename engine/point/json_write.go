package point

import (
	"encoding/base64"
	"math"
	"strconv"
)

// AppendPointJSON appends p in the simple JSON shape: measurement, tags, fields, time in nanoseconds. Points of
// a body are joined with commas inside brackets by the caller. Fields keep their order. Of the extra tags
// those are written whose key p does not have. Bytes are base64, NaN is null, invalid UTF-8 becomes U+FFFD.
// The text does not keep ints, uints and floats apart.
func AppendPointJSON(dst []byte, p *Point, extra []Field) []byte {
	dst = append(dst, `{"measurement":`...)
	dst = AppendJSONString(dst, p.Name, false)
	separator := `,"tags":{`
	tag := func(f *Field) {
		dst = append(dst, separator...)
		dst = AppendJSONString(dst, f.Key, false)
		dst = append(dst, ':')
		v := f.Value
		if v.kind != KindString {
			v = tagText(v)
		}
		dst = AppendJSONString(dst, v.Str(), false)
		separator = ","
	}
	fields := 0
	for i := range p.Fields {
		if p.Fields[i].Tag {
			tag(&p.Fields[i])
		} else {
			fields++
		}
	}
	for i := range extra {
		if p.Index(extra[i].Key) < 0 {
			tag(&extra[i])
		}
	}
	if separator == "," {
		dst = append(dst, '}')
	}
	if fields > 0 {
		separator = `,"fields":{`
		for i := range p.Fields {
			f := &p.Fields[i]
			if f.Tag {
				continue
			}
			dst = append(dst, separator...)
			dst = AppendJSONString(dst, f.Key, false)
			dst = append(dst, ':')
			v := f.Value
			if v.kind == KindFloat {
				v = Float(finite(v.Float()))
			}
			dst = appendJSON(dst, v, nil)
			separator = ","
		}
		dst = append(dst, '}')
	}
	dst = append(dst, `,"time":`...)
	dst = strconv.AppendInt(dst, p.Time, 10)
	return append(dst, '}')
}

// AppendPointPBJSON appends p in the JSON shape of the protobuf encoding, with types, units and warnings. Points
// of a body are joined with commas inside brackets by the caller. Fields keep their order. Of the extra tags those
// are written whose key p does not have. A list of mixed types and a map become their JSON text.
func AppendPointPBJSON(dst []byte, p *Point, extra []Field) []byte {
	start := len(dst)
	dst = append(dst, '{')
	if p.Name != "" {
		dst = append(dst, `"name":`...)
		dst = AppendJSONString(dst, p.Name, false)
	}
	separator := `"fields":[`
	for i := range p.Fields {
		dst = appendComma(dst, start, separator)
		dst = appendPBJSONField(dst, &p.Fields[i], p.Extra)
		separator = ""
	}
	for i := range extra {
		if p.Index(extra[i].Key) < 0 {
			dst = appendComma(dst, start, separator)
			dst = appendPBJSONField(dst, &extra[i], nil)
			separator = ""
		}
	}
	if separator == "" {
		dst = append(dst, ']')
	}
	if p.Time != 0 {
		dst = appendComma(dst, start, `"time":"`)
		dst = append(strconv.AppendInt(dst, p.Time, 10), '"')
	}
	if p.Extra != nil && len(p.Extra.Warns) > 0 {
		dst = appendComma(dst, start, `"warns":`)
		for i, w := range p.Extra.Warns {
			open := byte(',')
			if i == 0 {
				open = '['
			}
			dst = append(dst, open)
			dst = append(dst, `{"type":`...)
			dst = AppendJSONString(dst, w.Type, false)
			dst = append(dst, `,"message":`...)
			dst = AppendJSONString(dst, w.Message, false)
			dst = append(dst, '}')
		}
		dst = append(dst, ']')
	}
	return append(dst, '}')
}

// appendComma appends what begins a member, after a comma unless it is the first of the object at start.
func appendComma(dst []byte, start int, begin string) []byte {
	if len(dst) > start+1 {
		dst = append(dst, ',')
	}
	return append(dst, begin...)
}

func appendPBJSONField(dst []byte, f *Field, e *Extra) []byte {
	dst = append(dst, `{"key":`...)
	dst = AppendJSONString(dst, f.Key, false)
	v := f.Value
	switch {
	case f.Tag && v.kind != KindString:
		v = tagText(v)
	case v.kind == KindMap || v.kind == KindList && v.num > 0 && elementKind(v.Items()) == KindNil:
		v = StringOf(AppendJSON(nil, v))
	}
	if v.kind == KindList {
		dst = append(dst, `,"a":{"@type":"`+arrayURL+`"`...)
		for i, x := range v.Items() {
			begin := `,{`
			if i == 0 {
				begin = `,"arr":[{`
			}
			dst = append(dst, begin...)
			dst = append(appendPBJSONScalar(dst, x), '}')
		}
		if v.num > 0 {
			dst = append(dst, ']')
		}
		dst = append(dst, '}')
	} else if v.kind != KindNil && v.kind != KindRef {
		dst = append(dst, ',')
		dst = appendPBJSONScalar(dst, v)
	}
	if f.Tag {
		dst = append(dst, `,"is_tag":true`...)
	}
	if e != nil {
		if t := e.Types[f.Key]; t != MetricUnspecified && int(t) < len(metricTypeNames) {
			dst = append(dst, `,"type":"`...)
			dst = append(append(dst, metricTypeNames[t]...), '"')
		}
		if u := e.Units[f.Key]; u != "" {
			dst = append(dst, `,"unit":`...)
			dst = AppendJSONString(dst, u, false)
		}
	}
	return append(dst, '}')
}

// appendPBJSONScalar appends the member that holds a scalar.
func appendPBJSONScalar(dst []byte, v Value) []byte {
	switch v.kind {
	case KindInt:
		dst = append(dst, `"i":"`...)
		return append(strconv.AppendInt(dst, v.Int(), 10), '"')
	case KindUint:
		dst = append(dst, `"u":"`...)
		return append(strconv.AppendUint(dst, v.num, 10), '"')
	case KindFloat:
		dst = append(dst, `"f":`...)
		switch f := v.Float(); {
		case f != f:
			return append(dst, `"NaN"`...)
		case math.IsInf(f, 1):
			return append(dst, `"Infinity"`...)
		case math.IsInf(f, -1):
			return append(dst, `"-Infinity"`...)
		}
		return appendJSONFloat(dst, v.Float())
	case KindBool:
		return strconv.AppendBool(append(dst, `"b":`...), v.num != 0)
	case KindString:
		return AppendJSONString(append(dst, `"s":`...), v.Str(), false)
	}
	dst = append(dst, `"d":"`...)
	dst = base64.StdEncoding.AppendEncode(dst, v.Raw())
	return append(dst, '"')
}
