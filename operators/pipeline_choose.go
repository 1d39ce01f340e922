package operators

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"dataflow/engine"
	"dataflow/engine/diag"
	"dataflow/engine/point"
)

// A choice says which script runs on a point. It never changes once the graph is loaded.
type choice interface {
	// perBatch reports whether one script runs on all points of b.
	perBatch(b *engine.Batch) bool
	// of returns the script of point i, nil if it runs none. Room is for texts, and is kept for the next call.
	of(b *engine.Batch, i int, room *[]byte) *script
}

// choose makes the choice of script or dir and returns it with all scripts, numbered.
func choose(env engine.Env, c pipelineConfig) (choice, []*script, error) {
	var (
		out  choice
		all  []*script
		errs []error
	)
	switch {
	case c.Script.given == c.Dir.given:
		return nil, nil, engine.FieldError("script", errors.New("exactly one of script and dir is needed"))
	case c.Dir.given:
		d, err := newDirChoice(env, c)
		out, all, errs = d, d.scripts, append(errs, err)
	default:
		out, all = &c.Script, c.Script.all
		if c.Map.given {
			errs = append(errs, engine.FieldError("map", errors.New("goes with dir only; script takes {by, map, default}")))
		}
		if len(c.Default) > 0 {
			errs = append(errs, engine.FieldError("default", errors.New("goes with dir only; script takes {by, map, default}")))
		}
	}
	for i, s := range all {
		s.index = i
	}
	return out, all, errors.Join(errs...)
}

// perBatch implements choice.
func (s *scripts) perBatch(b *engine.Batch) bool {
	return s.by == nil || s.by.PerBatch() && b.Origin != nil
}

// of implements choice.
func (s *scripts) of(b *engine.Batch, i int, room *[]byte) *script {
	if s.by == nil {
		return s.fallback
	}
	text, ok := s.by.AppendText((*room)[:0], b, i)
	*room = text
	if ok {
		if x, known := s.byText[string(text)]; known {
			return x
		}
	}
	return s.fallback
}

// dirChoice is DataKit's choice: by category and a key that is made from the point. Everything is looked up when the graph
// is loaded, so that a choice is one look into a map and the data cannot make it grow.
type dirChoice struct {
	categories [point.Categories]struct {
		byKey    map[string]*script // nil if the category has no script: then none runs
		fallback *script
	}
	scripts []*script
}

func newDirChoice(env engine.Env, c pipelineConfig) (*dirChoice, error) {
	d := &dirChoice{}
	var errs []error
	for category, scripts := range c.Dir.scripts {
		if scripts == nil {
			continue
		}
		at := &d.categories[category]
		at.byKey = map[string]*script{}
		for name, s := range scripts {
			at.byKey[strings.TrimSuffix(name, ".p")] = s
			d.scripts = append(d.scripts, s)
		}
	}
	slices.SortFunc(d.scripts, func(a, b *script) int { return cmp.Compare(a.file.Path, b.file.Path) })
	for name, fallback := range c.Default {
		category, ok := point.CategoryOf(name)
		if !ok {
			errs = append(errs, engine.FieldError("default."+name, fmt.Errorf("%q is no category", name)))
			continue
		}
		if isNone(fallback) || fallback == "" {
			continue
		}
		s := c.Dir.scripts[category][fallback]
		if s == nil {
			errs = append(errs, engine.FieldError("default."+name, fmt.Errorf("there is no script %s in category %s%s", fallback, category, didYouMean(fallback, c.Dir.scripts[category]))))
		}
		d.categories[category].fallback = s
	}
	for _, e := range c.Map.entries {
		found := e.name == "" || isNone(e.name)
		for category := range d.categories {
			if e.category == point.Unknown || e.category == point.Category(category) {
				found = d.enter(c, e, point.Category(category)) || found
			}
		}
		if !found { // DataKit goes on as well
			env.Log.Warn("a script of map is not in the folder; points run the default", "key", e.key, "script", e.name)
		}
	}
	return d, errors.Join(errs...)
}

// enter puts an entry of map into effect for a category. It reports whether the category has the script.
func (d *dirChoice) enter(c pipelineConfig, e scriptMapEntry, category point.Category) bool {
	at := &d.categories[category]
	if e.name == "" || at.byKey == nil {
		return false // as if it were not there
	}
	var s *script
	found := false
	if !isNone(e.name) {
		if s, found = c.Dir.scripts[category][e.name]; !found {
			s = at.fallback
		}
	}
	at.byKey[e.key] = s
	return found
}

func didYouMean(name string, among map[string]*script) string {
	var names []string
	for n := range among {
		names = append(names, n)
	}
	slices.Sort(names)
	if hint := diag.DidYouMean(name, names); hint != "" {
		return ": " + hint
	}
	return ""
}

// perBatch implements choice.
func (d *dirChoice) perBatch(*engine.Batch) bool { return false }

// of implements choice.
func (d *dirChoice) of(b *engine.Batch, i int, room *[]byte) *script {
	p := &b.Points[i]
	if p.Category >= point.Categories {
		return nil
	}
	at := &d.categories[p.Category]
	if at.byKey == nil {
		return nil
	}
	key := scriptKey(p)
	if key == "" {
		return nil
	}
	if p.Category == point.RUM {
		// Here the key is the id of the application, and the name is needed, too.
		*room = append(append(append((*room)[:0], key...), '_'), p.Name...)
		if s, ok := at.byKey[string(*room)]; ok {
			return s
		}
		return at.fallback
	}
	if s, ok := at.byKey[key]; ok {
		return s
	}
	return at.fallback
}

// scriptKey returns what names the script of a point, "" for none. Of RUM it is the first part only.
func scriptKey(p *point.Point) string {
	from := ""
	switch p.Category {
	case point.RUM:
		from = "app_id"
	case point.Security:
		from = "category"
	case point.Tracing, point.Profiling:
		from = "service"
	case point.KeyEvent:
		from = "df_source"
	default:
		return p.Name
	}
	if v, ok := p.Get(from); ok && v.Kind() == point.KindString {
		return v.Str()
	}
	return ""
}
