package sources

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// TestKafkaUnreadable reads logs with a batch of records in the middle that cannot be read, in all the ways in which that can be: it fails as one
// point that holds its first bytes, is counted, and what is before and behind it, and the other partition, arrives.
func TestKafkaUnreadable(t *testing.T) {
	t.Parallel()
	bad := batchOf(2, "x", "y", "z")
	put32 := func(at int, v uint32) func([]byte) { return func(b []byte) { binary.BigEndian.PutUint32(b[at:], v) } }
	for name, test := range map[string]struct {
		bad    written
		single bool
		says   string
		first  int64 // offset of the first that is lost, 2 if 0
	}{
		"checksum":            {bad: bad.changed(false, func(b []byte) { b[recordBatchHeader+7] ^= 1 }), says: "wrong checksum"},
		"last offset high":    {bad: bad.changed(false, put32(23, 5000)), says: "wrong checksum"},
		"last offset low":     {bad: bad.changed(false, put32(23, 0)), says: "wrong checksum"},
		"last offset and sum": {bad: bad.changed(true, put32(23, 1<<31)), single: true, says: "damaged header"},
		"length large":        {bad: bad.changed(false, put32(8, 1<<30)), says: "damaged header"},
		"length negative":     {bad: bad.changed(false, put32(8, 1<<31)), says: "damaged header"},
		"length small":        {bad: bad.changed(false, put32(8, 7)), says: "damaged header"},
		"version":             {bad: bad.changed(false, func(b []byte) { b[16] = 9 }), says: "damaged header"},
		"first offset low":    {bad: bad.changed(false, func(b []byte) { binary.BigEndian.PutUint64(b, 0); b[23+3] = 1 }), says: "wrong checksum"},
		"records negative":    {bad: bad.changed(true, put32(57, 1<<31)), says: "damaged header"},
		"records too many":    {bad: bad.changed(true, put32(57, 4)), single: true, says: "3 of its 4 records can be read", first: 5},
		"record broken": {bad: bad.changed(true, func(b []byte) {
			at := recordBatchHeader + len(appendRecord(nil, scriptRecord{0, []byte("x")}))
			b[at] = 0x7f // the second record ends behind the batch
		}), single: true, says: "1 of its 3 records can be read", first: 3},
		"compression":        {bad: bad.changed(true, func(b []byte) { b[22] = 4 }), says: "unable to decompress batch"},
		"broker cannot read": {bad: written{first: 2, last: 4, code: kerr.CorruptMessage.Code}, says: "CORRUPT_MESSAGE"},
		"16 MiB":             {bad: batchOf(2, strings.Repeat("x", readBytes), "y", "z"), says: "is more than what is read at once, 16MiB"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &script{single: test.single, logs: [][]written{
				{batchOf(0, "a", "b"), test.bad, batchOf(5, "c"), batchOf(6, "d", "e")},
				{batchOf(0, "p", "q")},
			}}
			r := newReader(t, startScript(t, s), oneStream("logs", "logging"))
			kept := startKeeping(r)
			if name == "records too many" {
				test.first = 0 // all of it can be read, and nothing behind it is lost
			}
			r.await("logs/1", 2)
			want := []string{"a", "b", "c", "d", "e"}
			first := max(2, test.first)
			want = slices.Insert(want, 2, []string{"x", "y"}[:first-2]...)
			if name == "records too many" {
				want = []string{"a", "b", "x", "y", "z", "c", "d", "e"}
			}
			r.await("logs/0", len(want))
			eventually(t, "no lag", func() bool {
				lag := int64(0)
				r.source.Lag(func(_ string, _ int32, n int64) { lag += n })
				return lag == 0
			})
			r.stop()
			if got := r.got["logs/0"]; !slices.Equal(got, want) {
				t.Errorf("read %q, want %q", got, want)
			}
			if name == "records too many" {
				return
			}
			if len(r.failed) != 1 || !strings.Contains(r.failed[0], fmt.Sprintf("reading logs/0 from offset %d to 4: ", first)) || !strings.Contains(r.failed[0], test.says) {
				t.Fatalf("failed %.300q", r.failed)
			}
			if want := fmt.Sprintf("logs/0/%d", first); kept.keys[0] != want {
				t.Errorf("what failed is %s, want %s", kept.keys[0], want)
			}
			if raw := kept.raws[0]; !bytes.HasPrefix(test.bad.bytes, raw) || len(raw) == 0 && test.bad.code == 0 || len(raw) > probeFront {
				t.Errorf("%d bytes are kept", len(raw))
			}
			if n := r.counts.get("kafka_unreadable_batches"); n != 1 {
				t.Errorf("counted %d batches", n)
			}
			if n := r.counts.get("kafka_unreadable_records"); n != 5-first {
				t.Errorf("counted %d records", n)
			}
		})
	}
}

// TestKafkaVoid reads logs that end in what a reader gets nothing of: markers, an aborted transaction, batches that compaction has emptied. The
// position moves behind it, so that the lag ends at 0.
func TestKafkaVoid(t *testing.T) {
	t.Parallel()
	const a, b = 11, 12
	hollow := func(first, last int64) written {
		w := written{first: first, last: last, bytes: recordBatch(first, int32(last-first+1), "")}
		return w.changed(true, func(b []byte) { binary.BigEndian.PutUint32(b[57:], 0) })
	}
	abort := kmsg.NewFetchResponseTopicPartitionAbortedTransaction()
	abort.ProducerID, abort.FirstOffset = b, 3
	s := &script{
		logs: [][]written{
			{batchOf(0, "a", "b").in(a), marker(2, a, true), batchOf(3, "x", "y").in(b), batchOf(5, "c").in(a), marker(6, b, false), marker(7, a, true)},
			{batchOf(0, "p"), hollow(1, 9), batchOf(20, "q"), hollow(21, 40)},
		},
		aborted: []kmsg.FetchResponseTopicPartitionAbortedTransaction{abort},
	}
	k := startScript(t, s)
	r := newReader(t, k, oneStream("logs", "logging")).start()
	r.await("logs/0", 3)
	r.await("logs/1", 2)
	eventually(t, "commits at the ends", func() bool {
		return k.Committed("g", "logs", 0) == 8 && k.Committed("g", "logs", 1) == 41
	})
	r.source.Lag(func(topic string, id int32, n int64) {
		if n != 0 {
			t.Errorf("lag of %s/%d is %d", topic, id, n)
		}
	})
	r.stop()
	if got := r.got["logs/0"]; !slices.Equal(got, []string{"a", "b", "c"}) {
		t.Errorf("read %q", got)
	}
	if len(r.failed) > 0 {
		t.Errorf("failed %q", r.failed)
	}
}

func TestReadFront(t *testing.T) {
	t.Parallel()
	good := batchOf(10, "a", "b", "c").bytes
	h, err := readFront(good)
	if err != nil || h.first != 10 || h.last != 12 || h.records != 3 || h.epoch != 7 || h.length != int64(len(good)) || h.check(good) != nil {
		t.Errorf("%+v %v", h, err)
	}
	if h, err := readFront(good[:recordBatchHeader]); err != nil || h.length != int64(len(good)) {
		t.Errorf("the header alone: %+v %v", h, err)
	}
	for at := range recordBatchHeader {
		if _, err := readFront(good[:at]); err == nil {
			t.Errorf("%d bytes are a header", at)
		}
	}
	old := make([]byte, oldMessageHeader+8)
	old[7], old[11], old[16] = 9, byte(len(old)-12), 1
	if h, err := readFront(old); err != nil || !h.old || h.last != 9 {
		t.Errorf("an old message: %+v %v", h, err)
	}
}

// TestRecordsOf finds the records in the beginning of an answer, by every version that a prober speaks.
func TestRecordsOf(t *testing.T) {
	t.Parallel()
	for version := int16(oldestProbe); version <= newestProbe; version++ {
		resp := kmsg.NewPtrFetchResponse()
		resp.Version = version
		rt := kmsg.NewFetchResponseTopic()
		rt.Topic = "logs"
		rp := kmsg.NewFetchResponseTopicPartition()
		rp.RecordBatches = []byte("the records")
		rp.AbortedTransactions = make([]kmsg.FetchResponseTopicPartitionAbortedTransaction, 2)
		rt.Partitions = append(rt.Partitions, rp)
		resp.Topics = append(resp.Topics, rt)
		answer := resp.AppendTo(nil)
		got, err := recordsOf(answer[:len(answer)-3], version)
		if err != nil || string(got) != "the reco" {
			t.Errorf("version %d: %q %v", version, got, err)
		}
	}
	if _, err := recordsOf(nil, 12); err == nil {
		t.Error("a version whose layout is another")
	}
}

func FuzzRecordsOf(f *testing.F) {
	resp := kmsg.NewPtrFetchResponse()
	resp.Version = newestProbe
	rt := kmsg.NewFetchResponseTopic()
	rp := kmsg.NewFetchResponseTopicPartition()
	rp.RecordBatches = batchOf(3, "a").bytes
	rt.Partitions = append(rt.Partitions, rp)
	resp.Topics = append(resp.Topics, rt)
	f.Add(resp.AppendTo(nil), int16(newestProbe))
	f.Add([]byte{0, 0, 0, 0, 0, 0, 0, 1}, int16(oldestProbe))
	f.Fuzz(func(t *testing.T, answer []byte, version int16) {
		data, err := recordsOf(answer, version)
		if err == nil && !bytes.HasSuffix(answer, data) {
			t.Fatal("the records are not the end of the answer")
		}
		aborted := abortedTransactions{1: {0}}
		for len(data) > 0 {
			h, err := readFront(data)
			if err != nil {
				return
			}
			if h.last < h.first || h.length < oldMessageHeader || h.records < 0 {
				t.Fatalf("%+v", h)
			}
			if h.length > int64(len(data)) {
				return
			}
			_ = h.check(data[:h.length])
			aborted.void(&h, data[:h.length])
			data = data[h.length:]
		}
	})
}
