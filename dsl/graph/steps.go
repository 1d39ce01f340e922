package graph

import (
	"cmp"
	"fmt"
	"reflect"
	"strings"

	"dataflow/engine"
	"dataflow/engine/diag"
)

var onErrors = []string{"pass", "dead_letter", "drop", "stop"}

// stepPrefix names the steps that stand at an option of a source: streams.logs.steps of mq are those of mq.logs.
func stepPrefix(id, path string) string {
	parts := strings.Split(path, ".")
	if len(parts) < 2 {
		return id
	}
	return id + "." + parts[len(parts)-2]
}

// operator makes the steps of an operator: its own component, or those of steps:.
func (l *loader) operator(n *Node, d *decoder, own map[string]*value) {
	if n.Component != nil {
		s := &Step{Name: n.ID, Component: n.Component, Config: n.Config, Pos: n.Pos, conf: d.conf, options: n.options}
		l.reservedOfStep(s, d, own)
		n.Steps = []*Step{s}
		return
	}
	n.Steps = l.steps(d, own["steps"], n.ID)
	if len(n.Steps) == 0 && own["steps"].kind == sequence && len(own["steps"].items) == 0 {
		l.errorAt(own["steps"], "", "operator %q has no steps", n.ID)
	}
	for _, s := range n.Steps {
		if v := own["on_error"]; v != nil && !s.ownOnError {
			d.value(v, reflect.ValueOf(&s.OnError).Elem(), "on_error", &field{enum: onErrors})
		}
		// A condition of the whole operator holds for every step: a point that a step changes is judged anew.
		if v := own["when"]; v != nil {
			outer := ""
			d.value(v, reflect.ValueOf(&outer).Elem(), "when", nil)
			if s.When == "" {
				s.When, s.WhenPos = outer, v.pos
				s.conf.at["when"] = v.place()
			} else {
				s.conf.at["when"] = place{s.WhenPos, 0, nil} // the text of neither
				s.When = "(" + outer + ") && (" + s.When + ")"
			}
		}
	}
}

// steps decodes a list of steps. A step is a type, a type with its options, or a mapping with type:
//
//   - json_split
//   - sample: {rate: 0.1, when: 'category == "logging"'}
//   - {type: sample, rate: 0.1}
func (l *loader) steps(outer *decoder, v *value, prefix string) (steps []*Step) {
	if v.kind != sequence {
		l.errorAt(v, "", "steps is a list, this is %s", v.kind)
		return nil
	}
	for i, x := range v.items {
		typ, options, ok := l.stepType(x)
		if !ok || !l.enabled(options) {
			continue
		}
		c := engine.Lookup(engine.OperatorNode, typ.name)
		if c == nil {
			l.unknownType(engine.OperatorNode, typ)
			continue
		}
		options = l.withDefaults(options, engine.OperatorNode, c.Type, func(name string) bool {
			r := reserved(name)
			return r == nil || r.step || find(optionsOf(c), name) != nil
		})
		l.in.all(options)
		s := &Step{Name: fmt.Sprintf("%s/%d:%s", prefix, i+1, c.Type), Component: c, Config: c.NewConfig(), Pos: typ.pos}
		d := l.decoder(c.Type, typ.place())
		d.step = func(v *value, path string) []*Step { return l.steps(d, v, stepPrefix(s.Name, path)) }
		s.conf = d.conf
		own := map[string]*value{}
		s.options = l.splitStep(c, options, own)
		d.component(s.options, s.Config)
		l.reservedOfStep(s, d, own)
		outer.files = append(outer.files, d.files...)
		outer.parts = append(outer.parts, &value{kind: scalar, text: c.Type}, options)
		outer.parts = append(outer.parts, d.parts...)
		outer.conf.secrets = append(outer.conf.secrets, d.conf.secrets...)
		steps = append(steps, s)
	}
	return steps
}

// stepType returns the type of a step and a mapping of its options.
func (l *loader) stepType(v *value) (typ key, options *value, ok bool) {
	empty := &value{kind: mapping, pos: v.pos, end: v.end}
	switch {
	case v.kind == scalar:
		l.in.all(v)
		return key{v.text, v.pos, v.end}, empty, true
	case v.kind == mapping && v.get("type") != nil:
		t := v.get("type")
		l.in.all(t)
		if t.kind != scalar {
			l.errorAt(t, "", "a type is a text, this is %s", t.kind)
			return key{}, nil, false
		}
		return key{t.text, t.pos, t.end}, v.without(func(name string) bool { return name == "type" }), true
	case v.kind == mapping && len(v.keys) == 1:
		switch x := v.items[0]; x.kind {
		case mapping:
			return v.keys[0], x, true
		case null:
			return v.keys[0], empty, true
		default:
			l.errorAt(x, "", "the options of a step are a mapping, this is %s", x.kind)
		}
	case v.kind == mapping && len(v.keys) > 1:
		l.errorAtKey(v.keys[1], "options stand below the type: `- "+v.keys[0].name+": {"+v.keys[1].name+": ...}`", "a step has one type, this is a second key")
	default:
		l.errorAt(v, "write `- json_split` or `- sample: {rate: 0.1}`", "a step is a type with its options, this is %s", v.kind)
	}
	return key{}, nil, false
}

// splitStep parts the reserved keys of a step from its options.
func (l *loader) splitStep(c *engine.Component, v *value, own map[string]*value) *value {
	fields := optionsOf(c)
	return v.without(func(name string) bool {
		r := reserved(name)
		if r == nil {
			return false
		}
		declared := find(fields, name) != nil
		switch {
		case r.step:
			own[name] = v.get(name)
		case !declared && c.Batch != engine.Batching{} && r.takes(engine.OperatorNode, c):
			l.errorAtKey(v.keys[v.index(name)], "make it an operator of its own", "%s has %q only as an operator of its own, not as a step", c.Type, name)
		case !declared:
			l.errorAtKey(v.keys[v.index(name)], "", "%q is a key of %s, this is a step", name, r.who)
		}
		return !declared
	})
}

// reservedOfStep decodes when and on_error.
func (l *loader) reservedOfStep(s *Step, d *decoder, own map[string]*value) {
	s.OnError = cmp.Or(s.Component.OnError, "dead_letter")
	if v := own["on_error"]; v != nil {
		s.ownOnError = true
		d.value(v, reflect.ValueOf(&s.OnError).Elem(), "on_error", &field{enum: onErrors})
	}
	if v := own["when"]; v != nil {
		d.value(v, reflect.ValueOf(&s.When).Elem(), "when", nil)
		s.WhenPos = v.pos
		if v.kind == scalar && strings.TrimSpace(v.text) == "" {
			l.report(diag.Diagnostic{Pos: v.pos, EndCol: v.end, Message: "the condition is empty"})
		}
	}
}
