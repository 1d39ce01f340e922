package sources

import (
	"fmt"
	"reflect"
	"unsafe"

	"dataflow/engine"
)

// done ends a batch as the runtime does. How batches end is between the runtime and engine/internal/batch, so a
// test outside of engine has to reach for it.
//
//go:linkname done dataflow/engine/internal/batch.Done
func done(b *engine.Batch)

// verdicts returns the errors of the points of b that failed and the reasons of those that were dropped, by index.
func verdicts(b *engine.Batch) (failed, dropped map[int]string) {
	failed, dropped = map[int]string{}, map[int]string{}
	vs := reflect.ValueOf(b).Elem().FieldByName("verdicts")
	for i := range vs.Len() {
		v := vs.Index(i)
		index := int(v.FieldByName("Index").Int())
		if err := v.FieldByName("Err"); !err.IsNil() {
			failed[index] = fmt.Sprint(reflect.NewAt(err.Type(), unsafe.Pointer(err.UnsafeAddr())).Elem().Interface())
		} else {
			dropped[index] = v.FieldByName("Text").String()
		}
	}
	return failed, dropped
}
