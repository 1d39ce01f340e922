package sinks

import (
	"errors"
	"fmt"

	"dataflow/engine"
	"dataflow/engine/point"
)

// datawayPacker is what one Encode works with.
type datawayPacker struct {
	packing
	lines   point.LineEncoder
	stamped point.Point // a point without a time that was given one
	group   []byte      // the point's value of X-Global-Tags
}

func (d *dataway) newPacker() *datawayPacker {
	return &datawayPacker{packing: packing{level: d.config.Gzip, seal: d.seal}}
}

// Encode packs the points into bodies by category, storage index and, with the option sinker, the values of its keys.
func (d *dataway) Encode(bs []*engine.Batch, add func(engine.Body, []engine.PointRef) error) error {
	k := d.packers.Get().(*datawayPacker)
	k.add, k.limit = add, int(d.limit.get())
	err := d.pack(k, bs)
	if k.lines.LeftOut > 0 {
		d.leftOut.Add(int64(k.lines.LeftOut))
		k.lines.LeftOut = 0
	}
	k.stamped = point.Point{}
	k.reset()
	d.packers.Put(k)
	return err
}

var (
	errNoCategory = errors.New("point has no category that can be sent")
	errIndex      = errors.New("storage index has characters that no HTTP header can hold")
)

func (d *dataway) pack(k *datawayPacker, bs []*engine.Batch) error {
	var body *openBody
	line, most := d.config.Encoding == encodingLine, int(d.config.MaxBody)
	for bi, b := range bs {
		for i := range b.Points {
			p := &b.Points[i]
			kind, err := d.kindOf(p)
			if err != nil {
				b.Fail(i, err)
				continue
			}
			tags := d.tags
			if p.Extra != nil && p.Extra.NoGlobalTags {
				tags = d.nodeTags
			}
			if d.sinker != nil {
				kind.tags = k.tagsOf(d.sinker, p, tags)
			}
			if body == nil || body.kind != kind {
				if body, err = k.body(kind); err != nil {
					return err
				}
			}
			if p.Time == 0 {
				k.stamped = *p
				k.stamped.Time = d.env.Now().UnixNano()
				p = &k.stamped
			}
			start, ok := len(body.plain), line || hasField(p)
			if line {
				if body.plain, ok = k.lines.Append(body.plain, p, tags); ok {
					body.plain = append(body.plain, '\n')
				}
			} else if ok {
				body.plain = point.AppendProtobuf(body.plain, p, tags)
			}
			n := len(body.plain) - start
			switch {
			case !ok:
				b.Drop(i, "no_fields")
			case n > most:
				body.plain = body.plain[:start]
				b.Fail(i, fmt.Errorf("point of %d bytes is larger than max_body %s", n, d.config.MaxBody))
			default:
				if err := k.took(body, start, bi, i); err != nil {
					return err
				}
			}
		}
	}
	return k.finishAll()
}

// hasField reports whether p says anything but what it is about.
func hasField(p *point.Point) bool {
	for i := range p.Fields {
		if !p.Fields[i].Tag && p.Fields[i].Value.Kind() != point.KindNil {
			return true
		}
	}
	return false
}

// kindOf returns the body that p goes to.
func (d *dataway) kindOf(p *point.Point) (bodyKind, error) {
	switch {
	case p.Category == point.Logging:
		if p.Extra == nil || p.Extra.StorageIndex == "" {
			return bodyKind{category: p.Category, index: d.config.StorageIndex}, nil
		}
		if !fitsHeader(p.Extra.StorageIndex) {
			return bodyKind{}, errIndex
		}
		return bodyKind{category: p.Category, index: p.Extra.StorageIndex}, nil
	case p.Category == point.MetricOld:
		return bodyKind{category: point.Metric}, nil
	case p.Category == point.Unknown || p.Category >= point.Categories:
		return bodyKind{}, errNoCategory
	}
	return bodyKind{category: p.Category}, nil
}

// fitsHeader reports whether text can be the value of an HTTP header. What cannot would make its request fail for ever.
func fitsHeader(text string) bool {
	for i := range len(text) {
		if c := text[i]; c < ' ' || c == 0x7f {
			return false
		}
	}
	return len(text) <= maxHeaderValue
}

// maxHeaderValue is what servers take with a good margin: many take 8 KiB for all headers.
const maxHeaderValue = 1 << 10

// seal returns a body without its data.
func (d *dataway) seal(kind bodyKind) engine.Body {
	body := engine.Body{Lane: kind.category.String(), ContentType: typeProtobuf, ID: d.packageID()}
	if d.config.Encoding == encodingLine {
		body.ContentType = typeLine
	}
	if d.config.Gzip > 0 {
		body.Header = append(body.Header, engine.KV{Key: headerEncoding, Value: []byte("gzip")})
	}
	if kind.index != "" {
		body.Header = append(body.Header, engine.KV{Key: headerIndex, Value: []byte(kind.index)})
	}
	if kind.tags != "" {
		body.Header = append(body.Header, engine.KV{Key: headerTags, Value: []byte(kind.tags)})
	}
	if kind.category == point.DialTesting {
		body.Header = append(body.Header, engine.KV{Key: headerSubCategory, Value: []byte(body.Lane)})
	}
	return body
}

// packageID draws the id of a body.
func (d *dataway) packageID() string {
	const digits = "0123456789abcdefghijklmnopqrstuvwxyz"
	id := make([]byte, 0, 23)
	id = append(id, "dk_"...)
	for range 2 {
		r := d.env.Rand()
		for range 10 {
			id = append(id, digits[r%36])
			r /= 36
		}
	}
	return string(id)
}

// Decode returns the points of a body. They share its memory, or that of its decompressed copy.
func (d *dataway) Decode(body engine.Body) ([]point.Point, error) {
	plain, err := plainOf(body, headerOf(body, headerEncoding) == "gzip")
	if err != nil {
		return nil, err
	}
	category, ok := point.CategoryOf(body.Lane)
	if !ok {
		return nil, fmt.Errorf("decoding a body: lane %q is no category", body.Lane)
	}
	parse := point.ParseProtobuf
	if body.ContentType == typeLine {
		parse = point.ParseLines
	}
	options := point.ReadOptions{Precision: point.Nanoseconds, Category: category}
	ps, err := parse(make([]point.Point, 0, body.Points), new(point.Arena), plain, options)
	if err != nil {
		return nil, fmt.Errorf("decoding a body: %w", err)
	}
	if index := headerOf(body, headerIndex); index != "" {
		for i := range ps {
			if ps[i].Extra == nil {
				ps[i].Extra = new(point.Extra)
			}
			ps[i].Extra.StorageIndex = index
		}
	}
	return ps, nil
}
