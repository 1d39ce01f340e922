package graph

import (
	"encoding"
	"reflect"
	"strings"
	"time"

	"dataflow/engine"
)

// field is an option of a config struct, as its tags declare it:
//
//	Brokers []string `yaml:"brokers" required:"true" doc:"addresses of the first contact"`
//	Start   string   `yaml:"start" enum:"latest,earliest" doc:"..."`
//	Dir     string   `yaml:"dir" path:"graph" doc:"a folder, relative to the file in which it is named"`
//	Common           `yaml:",inline"`
//
// A field without a yaml tag is no option.
type field struct {
	name     string
	doc      string
	enum     []string
	required bool
	path     bool
	index    []int
	typ      reflect.Type
}

// fieldsOf returns the options of a struct type, those of inlined structs in their place.
func fieldsOf(t reflect.Type) []field {
	var out []field
	for i := range t.NumField() {
		sf := t.Field(i)
		name, flags, _ := strings.Cut(sf.Tag.Get("yaml"), ",")
		switch {
		case flags == "inline" && sf.Type.Kind() == reflect.Struct:
			for _, f := range fieldsOf(sf.Type) {
				f.index = append([]int{i}, f.index...)
				out = append(out, f)
			}
		case name != "" && name != "-" && sf.IsExported():
			f := field{
				name: name, doc: sf.Tag.Get("doc"), index: []int{i}, typ: sf.Type,
				required: sf.Tag.Get("required") == "true", path: sf.Tag.Get("path") == "graph",
			}
			if e := sf.Tag.Get("enum"); e != "" {
				f.enum = strings.Split(e, ",")
			}
			out = append(out, f)
		}
	}
	return out
}

func find(fields []field, name string) *field {
	for i := range fields {
		if fields[i].name == name {
			return &fields[i]
		}
	}
	return nil
}

func names(fields []field) []string {
	out := make([]string, len(fields))
	for i, f := range fields {
		out[i] = f.name
	}
	return out
}

var (
	durationType    = reflect.TypeFor[time.Duration]()
	fileType        = reflect.TypeFor[engine.File]()
	stepsType       = reflect.TypeFor[engine.Steps]()
	secretType      = reflect.TypeFor[engine.Secret]()
	unmarshalerType = reflect.TypeFor[engine.OptionUnmarshaler]()
	textType        = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// optionTyped is implemented by option types that decode themselves and want to say in the reference what
// they take: "condition", "text or lookup".
type optionTyped interface{ OptionType() string }

// takes is [typeName] in a sentence.
func takes(t reflect.Type) string {
	if t.Kind() == reflect.Bool {
		return typeName(t)
	}
	return article(typeName(t))
}

// typeName says in a word or two what an option takes.
func typeName(t reflect.Type) string {
	switch t {
	case durationType:
		return "duration"
	case fileType:
		return "file"
	case stepsType:
		return "steps"
	case secretType:
		return "secret"
	case reflect.TypeFor[engine.Size]():
		return "size"
	case reflect.TypeFor[engine.Rate]():
		return "rate"
	}
	if typed, ok := reflect.New(t).Interface().(optionTyped); ok {
		return typed.OptionType()
	}
	if t.Kind() != reflect.Pointer && (reflect.PointerTo(t).Implements(textType) || reflect.PointerTo(t).Implements(unmarshalerType)) {
		return strings.ToLower(t.Name())
	}
	switch t.Kind() {
	case reflect.Pointer:
		return typeName(t.Elem())
	case reflect.Bool:
		return "true or false"
	case reflect.Float32, reflect.Float64:
		return "number"
	case reflect.String:
		return "text"
	case reflect.Slice:
		return "list of " + typeName(t.Elem())
	case reflect.Map:
		return "mapping of " + typeName(t.Elem())
	case reflect.Struct:
		return "mapping"
	case reflect.Interface:
		return "anything"
	}
	return "whole number"
}
