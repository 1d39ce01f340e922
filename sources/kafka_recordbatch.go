package sources

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Layout of a batch of records, big endian:
//
//	0 first offset (8)  8 length of what follows (4)  12 leader epoch (4)  16 version (1)  17 CRC-32C of what follows (4)
//	21 attributes (2)  23 last offset - first offset (4)  27 times (16)  43 producer (8)  51 its epoch (2)
//	53 first sequence (4)  57 number of records (4)  61 records
//
// Up to its version it is as old as Kafka. Messages of before 0.11 have an offset, a length and a version at the same places.
const (
	recordBatchHeader  = 61
	recordBatchV2      = 2
	oldMessageHeader   = 26
	recordBatchControl = 1 << 5
	recordBatchInTxn   = 1 << 4
)

// recordBatchFront is the header of a batch of records.
type recordBatchFront struct {
	first, last int64
	length      int64 // of the whole
	epoch       int32
	attributes  uint16
	producer    int64
	records     int32
	sum         uint32
	old         bool // a message of before 0.11, of which the first four fields are known
}

var errDamagedHeader = errors.New("the batch of records has a damaged header")

// readFront reads the header that data begins with. What is behind it may be missing.
func readFront(data []byte) (recordBatchFront, error) {
	if len(data) < 17 {
		return recordBatchFront{}, errDamagedHeader
	}
	h := recordBatchFront{
		first: int64(binary.BigEndian.Uint64(data)), length: int64(int32(binary.BigEndian.Uint32(data[8:]))) + 12,
		epoch: int32(binary.BigEndian.Uint32(data[12:])), producer: -1,
	}
	switch magic := data[16]; {
	case magic < recordBatchV2 && h.length >= oldMessageHeader && h.first >= 0:
		h.old, h.last, h.epoch = true, h.first, -1
		return h, nil
	case magic != recordBatchV2 || len(data) < recordBatchHeader || h.length < recordBatchHeader || h.first < 0:
		return recordBatchFront{}, errDamagedHeader
	}
	delta := int64(int32(binary.BigEndian.Uint32(data[23:])))
	h.last = h.first + delta
	h.sum = binary.BigEndian.Uint32(data[17:])
	h.attributes = binary.BigEndian.Uint16(data[21:])
	h.producer = int64(binary.BigEndian.Uint64(data[43:]))
	h.records = int32(binary.BigEndian.Uint32(data[57:]))
	if delta < 0 || h.records < 0 || h.last < h.first {
		return recordBatchFront{}, errDamagedHeader
	}
	return h, nil
}

var errChecksum = errors.New("the batch of records has a wrong checksum")

// check reports what is wrong with the whole batch, as far as it shows without its records.
func (h *recordBatchFront) check(batch []byte) error {
	if !h.old && crc32.Checksum(batch[21:h.length], castagnoli) != h.sum {
		return errChecksum
	}
	return nil
}

// abortedTransactions are the first offsets of the transactions of a fetch that were not committed, in order, by producer.
type abortedTransactions map[int64][]int64

func abortedOf(p *kmsg.FetchResponseTopicPartition) abortedTransactions {
	out := abortedTransactions{}
	for _, a := range p.AbortedTransactions {
		out[a.ProducerID] = append(out[a.ProducerID], a.FirstOffset)
	}
	for _, firsts := range out {
		slices.Sort(firsts)
	}
	return out
}

// void reports whether a reader of what is committed gets nothing of a whole batch: it is a marker of a transaction, is of one that was
// not committed, or compaction has left nothing in it. Batches are asked about in their order.
func (a abortedTransactions) void(h *recordBatchFront, batch []byte) bool {
	open := a[h.producer]
	switch {
	case h.old:
		return false
	case h.attributes&recordBatchControl != 0:
		if len(open) > 0 && h.first >= open[0] && isAbort(batch[recordBatchHeader:h.length]) {
			a[h.producer] = open[1:]
		}
		return true
	case h.records == 0:
		return true
	}
	return h.attributes&recordBatchInTxn != 0 && len(open) > 0 && h.first >= open[0]
}

// isAbort reports whether the first record of a marker says that its transaction was not committed. The record: length, attributes (1),
// time, offset and length of the key, which is a version (2) and a type (2), 0 for this one.
func isAbort(record []byte) bool {
	skip := func() bool {
		_, n := binary.Varint(record)
		if n <= 0 {
			return false
		}
		record = record[n:]
		return true
	}
	if !skip() || len(record) == 0 {
		return false
	}
	record = record[1:]
	for range 3 {
		if !skip() {
			return false
		}
	}
	return len(record) >= 4 && record[2] == 0 && record[3] == 0
}

// Answers to a fetch of one partition, version 4 to 11:
//
//	throttle (4)  from 7: error (2) session (4)  topics (4): name (2+n)  partitions (4): number (4) error (2) high watermark (8)
//	last stable offset (8)  from 5: log start (8)  aborted (4): producer (8) first offset (8)  from 11: replica (4)  records (4+n)
const (
	oldestProbe = 4
	newestProbe = 11
)

var errNoRecords = errors.New("the answer holds no records")

// recordsOf returns the records of an answer to a fetch of one partition of which only the beginning is there, behind the correlation id.
func recordsOf(answer []byte, version int16) ([]byte, error) {
	if version < oldestProbe || version > newestProbe {
		return nil, errNoRecords
	}
	at := 4
	if version >= 7 {
		at += 6
	}
	number := func() int {
		if at+4 > len(answer) {
			at = len(answer) + 1
			return -1
		}
		n := int(int32(binary.BigEndian.Uint32(answer[at:])))
		at += 4
		return n
	}
	if number() != 1 || at+2 > len(answer) {
		return nil, errNoRecords
	}
	at += 2 + int(binary.BigEndian.Uint16(answer[at:]))
	if number() != 1 {
		return nil, errNoRecords
	}
	at += 4 + 2 + 8 + 8
	if version >= 5 {
		at += 8
	}
	const eachAborted = 16
	if n := number(); n > 0 {
		if n > len(answer)/eachAborted {
			return nil, errNoRecords
		}
		at += n * eachAborted
	}
	if version >= 11 {
		at += 4
	}
	if number() <= 0 || at >= len(answer) {
		return nil, errNoRecords
	}
	return answer[at:], nil
}
