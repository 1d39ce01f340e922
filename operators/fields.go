package operators

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"dataflow/engine"
	"dataflow/engine/point"
)

func init() {
	engine.RegisterOperator(engine.Info{
		Type:    "fields",
		Summary: "renames, drops, keeps and sets tags and fields, and makes one of the other",
		Doc: `Tags and fields are one name space: a key stands on a point once. The parts work in this order, whatever the order in the graph:

1. ` + "`rename`" + `: all at once, so that two keys can change places. A key of the new name that was there before goes.
2. ` + "`drop`" + `: removes the keys.
3. ` + "`keep`" + `: removes all other keys, if it is given.
4. ` + "`set`" + `: writes values. They are typed as they look: 3 is an integer, 0.5 a float, true a boolean, anything else a text; '"3"' is the text 3.
   A key that is there keeps its place, and a tag stays a tag. Where a lookup has no value the point stays as it is.
5. ` + "`untag`" + `: makes tags fields.
6. ` + "`tag`" + `: makes fields tags; their values become texts. A field without a value stays one.

Drop, keep, untag and tag take keys, and beginnings of keys as in ` + "`k8s_*`" + `; * is all of them.`,
		Examples: []engine.Example{
			{Title: "names of the house", Graph: "type: fields\nfrom: mq.logs\nrename: {hostName: host, lvl: status}\ndrop: [message_len, \"tmp_*\"]\ntag: [host]\n"},
			{Title: "by tenant", Graph: "type: fields\nfrom: mq.logs\nset:\n  env: prod\n  tier: {by: tags.tenant, map: {acme: gold}, default: free}\ntag: [env, tier]\n"},
			{Title: "nothing but", Graph: "type: fields\nfrom: mq.logs\nkeep: [message, status, \"http_*\"]\n"},
		},
	}, fieldsConfig{}, newFields)
}

type fieldsConfig struct {
	Rename map[string]string `yaml:"rename" doc:"new names of keys, by the old one"`
	Drop   []string          `yaml:"drop" doc:"keys that are removed"`
	Keep   []string          `yaml:"keep" doc:"keys that stay; all others are removed"`
	Set    settings          `yaml:"set" doc:"values by key; each may be a lookup value"`
	Untag  []string          `yaml:"untag" doc:"tags that become fields"`
	Tag    []string          `yaml:"tag" doc:"fields that become tags"`
}

// fields is the operator; it holds nothing that changes.
type fields struct {
	rename     []renaming
	drop       keys
	keep       keys
	set        settings
	untag, tag keys
}

type renaming struct{ from, to string }

func newFields(_ engine.Env, c fieldsConfig) (engine.Operator, error) {
	f := &fields{set: c.Set}
	var errs []error
	var err error
	if f.rename, err = renamings(c.Rename); err != nil {
		errs = append(errs, engine.FieldError("rename", err))
	}
	given := len(c.Rename) + len(c.Set)
	for _, o := range []struct {
		name string
		list []string
		to   *keys
	}{{"drop", c.Drop, &f.drop}, {"keep", c.Keep, &f.keep}, {"untag", c.Untag, &f.untag}, {"tag", c.Tag, &f.tag}} {
		given += len(o.list)
		if *o.to, err = newKeys(o.list); err != nil {
			errs = append(errs, engine.FieldError(o.name, err))
		}
	}
	if given == 0 {
		errs = append(errs, errors.New("give at least one of rename, drop, keep, set, untag and tag"))
	}
	return f, errors.Join(errs...)
}

func renamings(m map[string]string) ([]renaming, error) {
	var out []renaming
	taken := map[string]string{}
	for _, from := range slices.Sorted(maps.Keys(m)) {
		to := m[from]
		switch {
		case from == "" || to == "":
			return nil, fmt.Errorf("%q to %q: a key has a name", from, to)
		case strings.Contains(from, "*") || strings.Contains(to, "*"):
			return nil, fmt.Errorf("%q to %q: keys are renamed one by one, * has no place here", from, to)
		case taken[to] != "":
			return nil, fmt.Errorf("%q and %q both become %q", taken[to], from, to)
		}
		taken[to] = from
		if from != to {
			out = append(out, renaming{from, to})
		}
	}
	return out, nil
}

// NewWorker returns the operator with memory for texts of its own.
func (f *fields) NewWorker() engine.Processor { return &fieldsWorker{fields: f} }

// Process works with memory for texts of its own; the runtime calls the workers instead.
func (f *fields) Process(ctx context.Context, b *engine.Batch) error {
	return f.NewWorker().Process(ctx, b)
}

type fieldsWorker struct {
	*fields
	texts []byte // what is left of a chunk for texts of numbers; points refer to its beginning
}

// Process changes the points.
func (w *fieldsWorker) Process(_ context.Context, b *engine.Batch) error {
	for i := range b.Points {
		p := &b.Points[i]
		if len(w.rename) > 0 {
			w.renameKeys(p)
		}
		if w.drop.given || w.keep.given {
			p.Fields = slices.DeleteFunc(p.Fields, func(x point.Field) bool {
				return w.drop.has(x.Key) || w.keep.given && !w.keep.has(x.Key)
			})
		}
		w.set.apply(b, i)
		if w.untag.given || w.tag.given {
			w.retag(p)
		}
	}
	return nil
}

// renameKeys gives all keys their new names at once.
func (w *fieldsWorker) renameKeys(p *point.Point) {
	var room [16]int
	at := room[:0] // where each key stands that is renamed
	any := false
	for _, r := range w.rename {
		i := p.Index(r.from)
		at = append(at, i)
		any = any || i >= 0
	}
	if !any {
		return
	}
	for j, i := range at {
		if i >= 0 {
			p.Fields[i].Key = w.rename[j].to
		}
	}
	for i := len(p.Fields) - 1; i >= 0; i-- {
		if !slices.Contains(at, i) && w.replaced(at, p.Fields[i].Key) {
			p.Fields = slices.Delete(p.Fields, i, i+1) // from the end on, so that what at says of the others holds
		}
	}
}

// replaced reports whether a renamed key has taken a key's name.
func (w *fieldsWorker) replaced(at []int, key string) bool {
	for j, i := range at {
		if i >= 0 && w.rename[j].to == key {
			return true
		}
	}
	return false
}

func (w *fieldsWorker) retag(p *point.Point) {
	for i := range p.Fields {
		x := &p.Fields[i]
		if x.Tag && w.untag.has(x.Key) {
			x.Tag = false
		}
		if !x.Tag && !x.Value.IsNil() && w.tag.has(x.Key) {
			if x.Value.Kind() != point.KindString {
				x.Value = w.text(x.Value)
			}
			x.Tag = true
		}
	}
}

// textChunk is what is allocated for texts at once.
const textChunk = 4 << 10

// text returns the text of a value, in memory that is not used again.
func (w *fieldsWorker) text(v point.Value) point.Value {
	const roomForNumber = 32
	if cap(w.texts)-len(w.texts) < roomForNumber {
		w.texts = make([]byte, 0, textChunk)
	}
	begin := len(w.texts)
	text := point.AppendText(w.texts, v)
	if cap(text) == cap(w.texts) {
		w.texts = text
	} // else it did not fit the chunk and has memory of its own
	return point.StringOf(text[begin:len(text):len(text)])
}
