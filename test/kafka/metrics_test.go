package kafka

import (
	"io"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"dataflow/engine/admin"
)

// TestKafkaMetrics sees every metric of the source at /metrics, with the number that it should have, and holds its page to name it.
func TestKafkaMetrics(t *testing.T) {
	f := &faulty{t: t, dir: t.TempDir(), ledger: textLedger{run: "faults"}}
	f.start()
	defer func() { f.kafka.Close() }()
	if err := f.ledger.produce(f.kafka, faultTopic, faultPartitions, 60); err != nil {
		t.Fatal(err)
	}
	a := f.graph(t, newBasket()).start(t)
	f.await(t, a, time.Minute)
	b := f.graph(t, a.basket).start(t)
	awaitMembers(t, f, 2)
	b.stop(t)
	awaitMembers(t, f, 1)
	answer := httptest.NewRecorder()
	admin.Handler(a.engine).ServeHTTP(answer, httptest.NewRequest("GET", "/metrics", nil))
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile("../../docs/reference/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	const labels = `\{graph="job",node="mq",type="kafka"\}`
	for name, want := range map[string]string{
		"engine_kafka_lag_records":                  `\{graph="job",node="mq",partition="\d",topic="t",type="kafka"\} 0`,
		"engine_kafka_lag_seconds":                  labels + ` 0`,
		"engine_kafka_rebalances_total":             labels + ` [3-9]`,
		"engine_kafka_rebalance_milliseconds_total": labels + ` [1-9]\d*`,
		"engine_kafka_late_acks_total":              "", // a counter that has counted nothing is not there
		"engine_unacked_points":                     `\{graph="job",node="mq",port="",type="kafka"\} 0`,
		"engine_ack_oldest_age_seconds":             `\{graph="job",node="mq",port="",type="kafka"\} 0`,
	} {
		if want != "" && !regexp.MustCompile(`(?m)^`+name+want+`$`).Match(text) {
			t.Errorf("%s%s is not among\n%s", name, want, lines(string(text), name))
		}
		if !strings.Contains(string(page), "`"+name+"`") {
			t.Errorf("docs/reference/metrics.md does not name %s", name)
		}
	}
	a.stop(t)
}

// lines are those of a text that begin in a way.
func lines(text, begin string) string {
	var out []string
	for l := range strings.Lines(text) {
		if strings.HasPrefix(l, begin) {
			out = append(out, l)
		}
	}
	return strings.Join(out, "")
}

// awaitMembers waits until a group has n members that share all partitions.
func awaitMembers(t *testing.T, f *faulty, n int) {
	t.Helper()
	await(t, "members of the group", nil, func() bool {
		info := f.cluster().GroupInfo("g")
		if info.State != "Stable" || len(info.Members) != n {
			return false
		}
		for _, m := range info.Members {
			if m.NumAssigned() != faultPartitions/n {
				return false
			}
		}
		return true
	})
}
