package buffer

import (
	"bytes"
	"compress/gzip"
	"math/rand/v2"
	"reflect"
	"testing"

	"dataflow/engine"
)

func encoded(f *frame, key []byte) []byte {
	value := appendFrame(nil, f)
	return sealFrame(value, checksum(value), key)
}

func TestFrameRoundTrip(t *testing.T) {
	key := appendKey(nil, kindData, laneID{1, 2}, 3)
	var zipped bytes.Buffer
	w := gzip.NewWriter(&zipped)
	if _, err := w.Write(bytes.Repeat([]byte("abc"), 1000)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	long := message(7, "lane", 500)
	for name, test := range map[string]struct {
		entry  Entry
		packed bool
	}{
		"empty":          {Entry{}, false},
		"message":        {long, false},
		"compressible":   {Entry{Body: engine.Body{Data: bytes.Repeat([]byte("abc"), 1000)}}, true},
		"gzip":           {Entry{Body: engine.Body{Data: zipped.Bytes()}}, false},
		"says it is":     {Entry{Body: engine.Body{Data: bytes.Repeat([]byte("a"), 500), Header: []engine.KV{{Key: "Content-Encoding", Value: []byte("br")}}}}, false},
		"says it is not": {Entry{Body: engine.Body{Data: bytes.Repeat([]byte("a"), 500), Header: []engine.KV{{Key: "Content-Encoding", Value: []byte("identity")}}}}, true},
		"request":        {Entry{Origins: []Range{{Request: "r"}, {Origin: engine.Origin{Partition: -1}, First: -5, Last: -2}}, FirstAttempt: -3}, false},
	} {
		t.Run(name, func(t *testing.T) {
			value := encoded(&frame{Entry: test.entry, buffer: "b"}, key)
			got, err := readFrame(key, value)
			if err != nil {
				t.Fatal(err)
			}
			if got.packed != test.packed || got.buffer != "b" {
				t.Errorf("packed %v, buffer %q", got.packed, got.buffer)
			}
			want := test.entry
			if want.Body.Data == nil {
				want.Body.Data = []byte{}
			}
			if got.Body.Data == nil {
				got.Body.Data = []byte{}
			}
			if !reflect.DeepEqual(got.Entry, want) {
				t.Errorf("got %+v, want %+v", got.Entry, want)
			}
			other := appendKey(nil, kindData, laneID{1, 2}, 4)
			if _, err := readFrame(other, value); err == nil {
				t.Error("the frame passes under another key")
			}
		})
	}
}

// TestFrameDamage flips every bit of a frame.
func TestFrameDamage(t *testing.T) {
	key := appendKey(nil, kindData, laneID{1, 2}, 3)
	value := encoded(&frame{Entry: message(7, "lane", 100), buffer: "b"}, key)
	for i := range len(value) * 8 {
		value[i/8] ^= 1 << (i % 8)
		if _, err := readFrame(key, value); err == nil {
			t.Fatalf("bit %d is not missed", i)
		}
		value[i/8] ^= 1 << (i % 8)
	}
	for n := range value {
		if _, err := readFrame(key, value[:n]); err == nil {
			t.Fatalf("%d bytes of %d pass", n, len(value))
		}
	}
}

// FuzzFrame reads frames whose checksum is right: what can be read is written and read again without a change.
func FuzzFrame(f *testing.F) {
	key := appendKey(nil, kindData, laneID{1, 2}, 3)
	for _, size := range []int{0, 10, 300} {
		e := message(32, "lane", size)
		f.Add(appendFrame(nil, &frame{Entry: e, buffer: "b"}))
	}
	f.Add(appendFrame(nil, &frame{Entry: Entry{Body: engine.Body{Data: bytes.Repeat([]byte("abc"), 100)}}}))
	f.Add(appendFrame(nil, &frame{lost: true}))
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, err := readFrame(key, data); err == nil {
			t.Log("right by itself")
		}
		first, err := readFrame(key, sealFrame(bytes.Clone(data), checksum(data), key))
		if err != nil {
			return
		}
		if first.lost {
			first.Body.Data = nil
		}
		again, err := readFrame(key, encoded(&first, key))
		if err != nil {
			t.Fatal(err)
		}
		again.packed, again.plain = first.packed, first.plain
		if len(again.Body.Data) == 0 {
			again.Body.Data = first.Body.Data
		}
		if !reflect.DeepEqual(first, again) {
			t.Fatalf("%+v became %+v", first, again)
		}
	})
}

// FuzzSlot reads slots of the watermark file.
func FuzzSlot(f *testing.F) {
	f.Add(appendSlot(nil, 3, mark{10, 5}, 7))
	f.Add(make([]byte, slotBytes))
	f.Fuzz(func(t *testing.T, data []byte) {
		lane, m, generation, ok := readSlot(data)
		if !ok {
			return
		}
		if m.low > m.next {
			t.Fatal("low is above next")
		}
		if !bytes.Equal(appendSlot(nil, lane, m, generation), data) {
			t.Fatal("slot changed")
		}
	})
}

func TestKeysSortBySequence(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 1000 {
		a, b := r.Uint64(), r.Uint64()
		x, y := appendKey(nil, kindData, laneID{1, 2}, a), appendKey(nil, kindData, laneID{1, 2}, b)
		if (bytes.Compare(x, y) < 0) != (a < b) {
			t.Fatal(a, b)
		}
		if kind, id, seq, ok := readKey(x); kind != kindData || id != (laneID{1, 2}) || seq != a || !ok {
			t.Fatal(kind, id, seq, ok)
		}
	}
}

func BenchmarkAppendFrame(b *testing.B) {
	f := frame{Entry: message(32, "logging", 50_000), buffer: "dw"}
	b.SetBytes(int64(len(f.Body.Data)))
	for b.Loop() {
		value := appendFrame(nil, &f)
		checksum(value)
	}
}
