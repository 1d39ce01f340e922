package admin

import (
	"strconv"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"dataflow/engine/runtime"
)

// collector turns snapshots into metrics. Labels come from the graph and from fixed words, never from data,
// but for topics and partitions, which are bounded below.
type collector struct{ view View }

// maxPartitions bounds the series of a node's lag.
const maxPartitions = 2000

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("engine_"+name, help, append([]string{"graph", "node", "type"}, labels...), nil)
}

var (
	inDesc              = desc("node_in_points_total", "Points that came in.")
	createdDesc         = desc("node_created_points_total", "Points that the node made.")
	outDesc             = desc("node_out_points_total", "Points that went out, or were delivered by a sink.", "port")
	mergedDesc          = desc("node_merged_points_total", "Points that became part of another.")
	droppedDesc         = desc("node_dropped_points_total", "Points dropped.", "reason", "intent")
	failedDesc          = desc("node_failed_points_total", "Points that failed and left the main path.", "reason")
	passedDesc          = desc("node_passed_points_total", "Points that went on although they failed (on_error: pass).", "reason")
	busyDesc            = desc("node_busy_seconds_total", "Time that the node worked, over its goroutines.")
	blockedDesc         = desc("node_blocked_seconds_total", "Time that the node waited.", "by")
	imbalanceDesc       = desc("ledger_imbalance_points", "in + created - out - dropped - failed - merged - queued; 0 once the graph has drained.")
	unackedDesc         = desc("unacked_points", "Points that were read and are not done.", "port")
	oldestDesc          = desc("ack_oldest_age_seconds", "Age of the oldest batch that is not done.", "port")
	lagDesc             = desc("kafka_lag_records", "Records between the position and the end of the partition.", "topic", "partition")
	behindDesc          = desc("kafka_lag_seconds", "Age of the oldest record that is not done, 0 if all are.")
	latencyDesc         = desc("e2e_latency_seconds", "From reading a point to the answer of its destination.")
	customDesc          = desc("component_total", "A component's own counter.", "name", "label")
	queueDesc           = prometheus.NewDesc("engine_edge_queue_points", "Points on the edge.", []string{"graph", "from", "port", "to"}, nil)
	inFlightDesc        = prometheus.NewDesc("engine_in_flight_bytes", "Estimated heap of what is in flight.", []string{"graph"}, nil)
	bufferInDesc        = desc("buffer_in_points_total", "Points that went to the disk buffer.")
	bufferOutDesc       = desc("buffer_out_points_total", "Points of the disk buffer that are done.")
	bufferHasDesc       = desc("buffer_points", "Points on the disk that are not done.")
	bufferLiveDesc      = desc("buffer_bytes", "Bytes of bodies on the disk that are not done; buffer.max_bytes bounds them.")
	bufferAgeDesc       = desc("buffer_oldest_seconds", "Time since the oldest point on the disk that is not done was read.")
	bufferLostDesc      = desc("buffer_lost_points_total", "Points that were stored and cannot be read.", "reason")
	bufferWaitDesc      = desc("buffer_append_seconds_total", "Time that bodies waited until they were stored, of all.")
	bufferFullDesc      = desc("buffer_full_total", "Bodies that found no room.")
	bufferLateDesc      = desc("buffer_late_acks_total", "Answers for bodies that had gone to another reader.")
	diskDesc            = prometheus.NewDesc("engine_buffer_disk_bytes", "What all disk buffers take on the disk.", []string{"graph"}, nil)
	diskStateDesc       = prometheus.NewDesc("engine_buffer_state", "0 healthy, 1 degraded, 2 stalled, 3 failed.", []string{"graph"}, nil)
	diskSyncsDesc       = prometheus.NewDesc("engine_buffer_syncs_total", "Fsyncs of the log.", []string{"graph"}, nil)
	diskSyncTimeDesc    = prometheus.NewDesc("engine_buffer_sync_seconds_total", "Time from a group of bodies to the end of its fsync, of all.", []string{"graph"}, nil)
	diskFreeDesc        = prometheus.NewDesc("engine_buffer_free_bytes", "Free space of the volume.", []string{"graph"}, nil)
	diskFloorDesc       = prometheus.NewDesc("engine_buffer_floor_bytes", "Free space below which nothing more is stored.", []string{"graph"}, nil)
	diskStallsDesc      = prometheus.NewDesc("engine_buffer_stalls_total", "Stalls of writing.", []string{"graph"}, nil)
	diskErrorsDesc      = prometheus.NewDesc("engine_buffer_background_errors_total", "Errors in the background.", []string{"graph"}, nil)
	diskQuarantinedDesc = prometheus.NewDesc("engine_buffer_quarantined", "Damaged databases that this start has put aside.", []string{"graph"}, nil)
	failingDesc         = desc("node_failing", "1 while the node reports a failure.")
)

// Describe names no metrics: which ones there are depends on the graph.
func (c collector) Describe(chan<- *prometheus.Desc) {}

// Collect reads a snapshot.
func (c collector) Collect(ch chan<- prometheus.Metric) {
	s := c.view.Snapshot()
	counter := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, v, append([]string{s.Graph}, labels...)...)
	}
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, append([]string{s.Graph}, labels...)...)
	}
	for _, n := range s.Nodes {
		counter(inDesc, float64(n.In), n.Node, n.Type)
		counter(createdDesc, float64(n.Created), n.Node, n.Type)
		counter(outDesc, float64(n.Out), n.Node, n.Type, "")
		counter(mergedDesc, float64(n.Merged), n.Node, n.Type)
		counter(busyDesc, n.Busy.Seconds(), n.Node, n.Type)
		counter(blockedDesc, n.Blocked.Seconds(), n.Node, n.Type, "downstream")
		gauge(imbalanceDesc, float64(n.Imbalance), n.Node, n.Type)
		for _, x := range n.Ports {
			counter(outDesc, float64(x.N), n.Node, n.Type, x.Label)
		}
		for _, x := range n.Dropped {
			counter(droppedDesc, float64(x.N), n.Node, n.Type, x.Label, intent(x.Label))
		}
		for _, x := range n.Failed {
			counter(failedDesc, float64(x.N), n.Node, n.Type, x.Label)
		}
		for _, x := range n.Passed {
			counter(passedDesc, float64(x.N), n.Node, n.Type, x.Label)
		}
		for _, x := range n.Custom {
			c.custom(counter, n, x)
		}
	}
	for _, p := range s.Sources {
		gauge(unackedDesc, float64(p.Unacked), p.Node, p.Type, p.Port)
		gauge(oldestDesc, p.Oldest.Seconds(), p.Node, p.Type, p.Port)
		counter(blockedDesc, p.Blocked.Seconds(), p.Node, p.Type, strings.TrimSpace("window "+p.Port))
	}
	for i, l := range s.Lags {
		if i == maxPartitions {
			break
		}
		gauge(lagDesc, float64(l.Records), l.Node, "kafka", l.Topic, strconv.Itoa(int(l.Partition)))
	}
	for _, b := range s.Behind {
		gauge(behindDesc, b.Age.Seconds(), b.Node, b.Type)
	}
	for _, n := range s.Sinks {
		buckets := map[float64]uint64{}
		for _, b := range n.Buckets {
			buckets[b.Limit.Seconds()] = uint64(b.N)
		}
		ch <- prometheus.MustNewConstHistogram(latencyDesc, uint64(n.Count), n.Sum.Seconds(), buckets, s.Graph, n.Node, n.Type)
	}
	c.buffers(counter, gauge, s)
	for _, x := range s.Edges {
		gauge(queueDesc, float64(x.Queued), x.From, x.Port, x.To)
		if x.Dropped > 0 {
			counter(droppedDesc, float64(x.Dropped), x.To, "edge", "branch_full", "policy")
		}
	}
	for _, f := range s.Failing {
		gauge(failingDesc, 1, f.Node, "")
	}
	gauge(inFlightDesc, float64(s.InFlight))
}

// intent says whether points were dropped because a rule of the graph says so, or because they were lost.
func intent(reason string) string {
	if strings.HasPrefix(reason, "buffer_lost_") {
		return "loss"
	}
	return "policy"
}

// buffers writes what the disk buffers hold and do.
func (c collector) buffers(counter, gauge func(*prometheus.Desc, float64, ...string), s runtime.Snapshot) {
	if len(s.Buffers) == 0 {
		return
	}
	for _, b := range s.Buffers {
		counter(bufferInDesc, float64(b.InPoints), b.Node, b.Type)
		counter(bufferOutDesc, float64(b.OutPoints), b.Node, b.Type)
		gauge(bufferHasDesc, float64(b.LivePoints), b.Node, b.Type)
		gauge(bufferLiveDesc, float64(b.LiveBytes), b.Node, b.Type)
		gauge(bufferAgeDesc, b.Oldest.Seconds(), b.Node, b.Type)
		counter(bufferWaitDesc, b.Waited.Seconds(), b.Node, b.Type)
		counter(bufferFullDesc, float64(b.Waits), b.Node, b.Type)
		counter(bufferLateDesc, float64(b.Late), b.Node, b.Type)
		for reason, n := range b.Lost {
			counter(bufferLostDesc, float64(n), b.Node, b.Type, reason)
		}
	}
	for reason, n := range s.Store.Lost { // of lanes that cannot be told whose they are
		counter(bufferLostDesc, float64(n), "", "", reason)
	}
	gauge(diskDesc, float64(s.Store.DiskBytes))
	gauge(diskStateDesc, float64(s.Store.State))
	counter(diskSyncsDesc, float64(s.Store.Syncs))
	counter(diskSyncTimeDesc, s.Store.SyncTime.Seconds())
	gauge(diskFreeDesc, float64(s.Store.Free))
	gauge(diskFloorDesc, float64(s.Store.Floor))
	counter(diskStallsDesc, float64(s.Store.Stalls))
	counter(diskErrorsDesc, float64(s.Store.BackgroundErrors))
	gauge(diskQuarantinedDesc, float64(s.Store.Quarantined))
}

// custom writes a component's counter. Those whose names the graph page fixes stand under them.
func (c collector) custom(counter func(*prometheus.Desc, float64, ...string), n runtime.NodeStats, x runtime.Count) {
	name, label, _ := strings.Cut(strings.TrimSuffix(x.Label, "}"), "{")
	if strings.HasPrefix(name, "kafka_") && label == "" {
		counter(desc(name+"_total", "See the reference of kafka."), float64(x.N), n.Node, n.Type)
		return
	}
	counter(customDesc, float64(x.N), n.Node, n.Type, name, label)
}
