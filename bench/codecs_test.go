package bench

import (
	"encoding/binary"
	"encoding/json"
	"math"
	"strconv"
	"testing"

	"github.com/valyala/fastjson"

	"dataflow/engine/point"
)

// The codecs, each beside a floor: what somebody would write by hand for this one shape of point. The figure is
// ns for a point.

// metricPoint is what the manual's script leaves of its message.
func metricPoint() point.Point {
	p := point.Point{Name: "metric_topic", Category: point.Metric, Time: 1700000000000000000, Record: -1}
	p.SetTag("type", "kafka")
	p.Set("offset", point.Int(42))
	p.Set("partition", point.Int(3))
	p.Set("bkzid", point.String("225"))
	p.SetTag("hostip", "10.200.64.45")
	p.SetTag("bk_biz_id", "225")
	p.Set("cpu_usage_pct", point.Float(0.01))
	return p
}

const metricLine = `metric_topic,bk_biz_id=225,hostip=10.200.64.45,type=kafka bkzid="225",cpu_usage_pct=0.01,offset=42i,partition=3i 1700000000000000000`

func BenchmarkLineWrite(b *testing.B) {
	p := metricPoint()
	b.Run("engine", func(b *testing.B) {
		var e point.LineEncoder
		var buf []byte
		for b.Loop() {
			buf, _ = e.Append(buf[:0], &p, nil)
		}
		if string(buf) != metricLine {
			b.Fatal(string(buf))
		}
	})
	b.Run("floor", func(b *testing.B) {
		v := struct {
			name, id, ip, typ, text string
			pct                     float64
			offset, partition, time int64
		}{"metric_topic", "225", "10.200.64.45", "kafka", "225", 0.01, 42, 3, 1700000000000000000}
		var buf []byte
		for b.Loop() {
			buf = append(append(buf[:0], v.name...), ",bk_biz_id="...)
			buf = append(append(buf, v.id...), ",hostip="...)
			buf = append(append(buf, v.ip...), ",type="...)
			buf = append(append(buf, v.typ...), ` bkzid="`...)
			buf = append(append(buf, v.text...), `",cpu_usage_pct=`...)
			buf = strconv.AppendFloat(buf, v.pct, 'f', -1, 64)
			buf = append(strconv.AppendInt(append(buf, ",offset="...), v.offset, 10), "i,partition="...)
			buf = append(strconv.AppendInt(buf, v.partition, 10), "i "...)
			buf = strconv.AppendInt(buf, v.time, 10)
		}
		if string(buf) != metricLine {
			b.Fatal(string(buf))
		}
	})
}

func BenchmarkProtobufWrite(b *testing.B) {
	p := metricPoint()
	b.Run("engine", func(b *testing.B) {
		var buf []byte
		for b.Loop() {
			buf = point.AppendProtobuf(buf[:0], &p, nil)
		}
	})
	b.Run("floor", func(b *testing.B) {
		var buf, field []byte
		for b.Loop() {
			buf = append(buf[:0], 0x0a, byte(len(p.Name)))
			buf = append(buf, p.Name...)
			for i := range p.Fields {
				f := &p.Fields[i]
				field = append(append(field[:0], 0x0a, byte(len(f.Key))), f.Key...)
				switch f.Value.Kind() {
				case point.KindInt:
					field = binary.AppendUvarint(append(field, 0x10), uint64(f.Value.Int()))
				case point.KindFloat:
					field = binary.LittleEndian.AppendUint64(append(field, 0x21), math.Float64bits(f.Value.Float()))
				case point.KindString:
					field = append(append(field, 0x5a, byte(f.Value.Len())), f.Value.Str()...)
				}
				buf = append(append(buf, 0x12, byte(len(field))), field...)
			}
			buf = binary.AppendUvarint(append(buf, 0x18), uint64(p.Time))
		}
	})
}

func BenchmarkLineRead(b *testing.B) {
	body := []byte(metricLine)
	b.Run("engine", func(b *testing.B) {
		var arena point.Arena
		var ps []point.Point
		var err error
		for b.Loop() {
			arena.Reset()
			if ps, err = point.ParseLines(ps[:0], &arena, body, point.ReadOptions{Precision: point.Nanoseconds, Now: 1}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("floor: one pass over the bytes", func(b *testing.B) {
		n := 0
		for b.Loop() {
			for _, c := range body {
				if c == ',' || c == '=' || c == ' ' || c == '\\' || c == '"' {
					n++
				}
			}
		}
		_ = n
	})
}

func BenchmarkJSONRead(b *testing.B) {
	body := []byte(`[{"measurement":"metric_topic","tags":{"type":"kafka","hostip":"10.200.64.45"},"fields":{"cpu_usage_pct":0.01,"offset":42},"time":1700000000000000000}]`)
	b.Run("engine", func(b *testing.B) {
		var arena point.Arena
		var ps []point.Point
		var err error
		for b.Loop() {
			arena.Reset()
			if ps, err = point.ParseJSON(ps[:0], &arena, body, point.ReadOptions{Precision: point.Nanoseconds, Now: 1}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("floor: fastjson", func(b *testing.B) {
		var parser fastjson.Parser
		for b.Loop() {
			if _, err := parser.ParseBytes(body); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("encoding json", func(b *testing.B) {
		for b.Loop() {
			var v []struct {
				Measurement string
				Tags        map[string]string
				Fields      map[string]any
				Time        int64
			}
			if err := json.Unmarshal(body, &v); err != nil {
				b.Fatal(err)
			}
		}
	})
}
