package embedded

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// A CommitWatch looks at every commit of a group as it comes in at the broker: whether an offset goes back, and whether a
// member moves the offset of a partition that is another's.
type CommitWatch struct {
	kafka *Kafka
	group string

	mu     sync.Mutex
	report CommitReport
	last   *kmsg.OffsetCommitRequest // whose effect the next look sees
	before *kfake.GroupInfo          // what the group was when it came
}

// CommitReport is what a [CommitWatch] has seen.
type CommitReport struct {
	Requests int      // commits that came in
	Refused  int      // those that moved nothing: of a member or a generation that is no more, or answered by a fault
	Rewinds  int      // partitions whose committed offset went back
	Foreign  int      // partitions that were another member's when their offset was moved
	First    []string // the first of the two, in words
}

// WatchCommits begins to look at the commits of a group.
func (k *Kafka) WatchCommits(group string) *CommitWatch {
	w := &CommitWatch{kafka: k, group: group}
	k.cluster.ControlKey(int16(kmsg.OffsetCommit), w.look)
	return w
}

// Report returns what was seen up to now.
func (w *CommitWatch) Report() CommitReport {
	info := w.kafka.cluster.GroupInfo(w.group)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.settle(info)
	out := w.report
	out.First = slices.Clone(out.First)
	return out
}

// look comes before the broker deals with a request. What the request does is seen when the next one comes: the broker
// deals with one at a time.
func (w *CommitWatch) look(r kmsg.Request) (kmsg.Response, error, bool) {
	w.kafka.cluster.KeepControl()
	req, ok := r.(*kmsg.OffsetCommitRequest)
	if !ok || req.Group != w.group {
		return nil, nil, false
	}
	info := w.kafka.cluster.GroupInfo(w.group)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.settle(info)
	w.report.Requests++
	w.last, w.before = req, info
	return nil, nil, false
}

// settle judges the last commit by what the group is now.
func (w *CommitWatch) settle(now *kfake.GroupInfo) {
	req, before := w.last, w.before
	w.last, w.before = nil, nil
	if req == nil || now == nil {
		return
	}
	moved := false
	for topic, ps := range now.Commits {
		for id, c := range ps {
			var old kfake.GroupCommit
			if before != nil {
				old = before.Commits[topic][id]
			}
			if c.At.Equal(old.At) {
				continue
			}
			moved = true
			if c.Offset < old.Offset {
				w.report.Rewinds++
				w.say("%s sets %s/%d from %d back to %d", req.MemberID, topic, id, old.Offset, c.Offset)
			}
			if owner := ownerOf(before, topic, id); owner != "" && owner != req.MemberID {
				w.report.Foreign++
				w.say("%s (generation %d) commits %d of %s/%d, which is %s's (generation %d, %s)", req.MemberID, req.Generation, c.Offset, topic, id, owner, before.Epoch, before.State)
			}
		}
	}
	if !moved {
		w.report.Refused++
	}
}

func (w *CommitWatch) say(format string, args ...any) {
	const most = 10
	if len(w.report.First) < most {
		w.report.First = append(w.report.First, time.Now().Format("15:04:05.000 ")+fmt.Sprintf(format, args...))
	}
}

// ownerOf returns the member that a partition is assigned to, "" if there is none.
func ownerOf(g *kfake.GroupInfo, topic string, partition int32) string {
	if g == nil {
		return ""
	}
	for _, m := range g.Members {
		if slices.Contains(m.Assignment[topic], partition) {
			return m.MemberID
		}
	}
	return ""
}
