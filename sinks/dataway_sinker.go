package sinks

import (
	"cmp"
	"slices"

	"dataflow/engine"
	"dataflow/engine/point"
)

type sinkerConfig struct {
	Keys []string `yaml:"keys" doc:"tags and text fields, besides the global tags; category is the point's category, source, measurement and class are its name"`
}

// sinker tells points apart by what DataWay's sinker chooses their workspace by (contract 14.3).
type sinker struct {
	keys    []string
	usual   string // of points that have none of the keys
	leftOut engine.Counter
}

// newSinker returns nil when there is nothing to tell points apart by. The tags are those that are added to points.
func newSinker(env engine.Env, c sinkerConfig, tags []point.Field) *sinker {
	if len(c.Keys) == 0 {
		return nil
	}
	s := &sinker{keys: slices.Clone(c.Keys), leftOut: env.Counter("sinker_values_left_out", "")}
	var usual []byte
	for _, f := range slices.SortedFunc(slices.Values(tags), func(a, b point.Field) int { return cmp.Compare(a.Key, b.Key) }) {
		usual = s.add(usual, f.Key, f.Value.Str())
		s.keys = append(s.keys, f.Key)
	}
	s.usual = string(usual)
	return s
}

// add appends a pair if a header can hold it. Values come from the data: one that no server takes would stop its category.
func (s *sinker) add(dst []byte, key, value string) []byte {
	if len(dst)+len(key)+len(value)+2 > maxHeaderValue || !fitsHeader(value) || !fitsHeader(key) {
		s.leftOut.Add(1)
		return dst
	}
	if len(dst) > 0 {
		dst = append(dst, ',')
	}
	dst = append(dst, key...)
	dst = append(dst, '=')
	return append(dst, value...)
}

// nameKey is the key that stands for the name of a point, by category: measurement of metrics, class of objects, else source.
func nameKey(c point.Category) string {
	switch c {
	case point.Metric, point.MetricOld:
		return "measurement"
	case point.Object, point.ObjectChange, point.CustomObject:
		return "class"
	}
	return "source"
}

// append appends the value of X-Global-Tags of p to which tags will be added.
func (s *sinker) append(dst []byte, p *point.Point, tags []point.Field) []byte {
	start := len(dst)
	for i := range p.Fields {
		if f := &p.Fields[i]; f.Value.Kind() == point.KindString && slices.Contains(s.keys, f.Key) {
			dst = s.add(dst, f.Key, f.Value.Str())
		}
	}
	for i := range tags {
		if slices.Contains(s.keys, tags[i].Key) && p.Index(tags[i].Key) < 0 {
			dst = s.add(dst, tags[i].Key, tags[i].Value.Str())
		}
	}
	if slices.Contains(s.keys, "category") {
		dst = s.add(dst, "category", p.Category.String())
	}
	if key := nameKey(p.Category); slices.Contains(s.keys, key) {
		dst = s.add(dst, key, p.Name)
	}
	if len(dst) == start {
		return append(dst, s.usual...)
	}
	return dst
}

// tagsOf returns the value of X-Global-Tags of p. It is that of an open body if that has the same one, so that nothing is allocated
// for most points.
func (k *datawayPacker) tagsOf(s *sinker, p *point.Point, tags []point.Field) string {
	k.group = s.append(k.group[:0], p, tags)
	for _, b := range k.open {
		if string(k.group) == b.kind.tags {
			return b.kind.tags
		}
	}
	return string(k.group)
}
