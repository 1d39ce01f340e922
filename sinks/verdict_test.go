package sinks

import (
	"fmt"
	"reflect"

	"dataflow/engine"
)

// verdicts returns the errors of the points of b that failed and the reasons of those that were dropped, by
// index. Verdicts are between a component and the runtime: a test outside of engine reads them by reflection.
func verdicts(b *engine.Batch) (failed, dropped map[int]string) {
	failed, dropped = map[int]string{}, map[int]string{}
	vs := reflect.ValueOf(b).Elem().FieldByName("verdicts")
	for i := range vs.Len() {
		v := vs.Index(i)
		index := int(v.FieldByName("Index").Int())
		if err := v.FieldByName("Err"); !err.IsNil() {
			failed[index] = fmt.Sprint(err.Elem().Elem())
		} else {
			dropped[index] = v.FieldByName("Text").String()
		}
	}
	return failed, dropped
}
