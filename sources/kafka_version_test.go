package sources

import (
	"encoding/binary"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"dataflow/engine/embedded"
)

// TestParseVersion accepts every version that DataKit knows, in each form, and says what is none.
func TestParseVersion(t *testing.T) {
	t.Parallel()
	known := strings.Fields(`0.8.2.0 0.8.2.1 0.8.2.2 0.9.0.0 0.9.0.1 0.10.0.0 0.10.0.1 0.10.1.0 0.10.1.1 0.10.2.0 0.10.2.1 0.10.2.2
		0.11.0.0 0.11.0.1 0.11.0.2 1.0.0 1.0.1 1.0.2 1.1.0 1.1.1 2.0.0 2.0.1 2.1.0 2.1.1 2.2.0 2.2.1 2.2.2 2.3.0 2.3.1 2.4.0 2.4.1
		2.5.0 2.5.1 2.6.0 2.6.1 2.6.2 2.6.3 2.7.0 2.7.1 2.7.2 2.8.0 2.8.1 2.8.2 3.0.0 3.0.1 3.0.2 3.1.0 3.1.1 3.1.2 3.2.0 3.2.1 3.2.2 3.2.3 3.3.0 3.3.1`)
	for _, v := range known {
		short := v[:strings.LastIndexByte(v, '.')] // 0.8.2, 1.0
		for _, text := range []string{v, short} {
			got, err := parseVersion(text)
			if err != nil || got == nil {
				t.Errorf("%s: %v", text, err)
				continue
			}
			if want := strings.HasPrefix(v, "0.8.") || strings.HasPrefix(v, "0.9."); tooOldToAsk(got) != want {
				t.Errorf("%s: too old to be asked is %v, want %v", text, !want, want)
			}
		}
	}
	for _, text := range []string{"0.9", "0.10", "3.9.2", "4.3.1", "9.9"} {
		if got, err := parseVersion(text); err != nil || got == nil {
			t.Errorf("%s: %v", text, err)
		}
	}
	if got, err := parseVersion(""); got != nil || err != nil {
		t.Errorf("no version is %v, %v", got, err)
	}
	for _, text := range []string{"2", "v2.0.0", "2.12-2.8.1", "latest", "2.0.0.0.0", "-1.0", "0.7.0x", " 2.0.0", "1.", ".1", "999.1"} {
		_, err := parseVersion(text)
		want := `is no version of Kafka: write it as in 2.0.0, 3.3 or 0.10.2.0, or leave it out, versions are negotiated`
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func FuzzParseVersion(f *testing.F) {
	for _, s := range []string{"0.8.2.0", "2.0.0", "3.3", "x", "0.10"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := parseVersion(text)
		if (got == nil) != (err != nil || text == "") {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	})
}

// TestKafkaOldBrokers reads from brokers of old versions, whatever kafka_version says. (The stand-in can be no older than 0.11.)
func TestKafkaOldBrokers(t *testing.T) {
	t.Parallel()
	for name, versions := range map[string]*kversion.Versions{
		"0.11": kversion.V0_11_0(), "1.0": kversion.V1_0_0(), "2.0": kversion.V2_0_0(), "3.3": kversion.V3_3_0(), "newest": nil,
	} {
		for _, hint := range []string{"", "0.8.2.0", "0.9.0", "0.10.2", "1.0.0", "3.3.1"} {
			t.Run(name+" as "+hint, func(t *testing.T) {
				t.Parallel()
				var opts []kfake.Opt
				if versions != nil {
					opts = append(opts, kfake.MaxVersions(versions))
				}
				k, err := embedded.StartKafka(map[string]int32{"logs": 1}, embedded.KafkaOptions{More: opts})
				if err != nil {
					t.Fatal(err)
				}
				defer k.Close()
				produce(t, k, "logs", 0, numbered(20, "m")...)
				r := newReader(t, k, func(c *kafkaConfig) { oneStream("logs", "logging")(c); c.Version = hint }).start()
				r.await("logs/0", 20)
				r.stop()
				if got := k.Committed("g", "logs", 0); got != 20 {
					t.Errorf("committed %d", got)
				}
			})
		}
	}
}

// TestKafkaTooOldToAsk meets a broker that ends the connection at the question for its versions, as those before 0.10 do: only where kafka_version
// says that it is so old is the client held to what it speaks.
func TestKafkaTooOldToAsk(t *testing.T) {
	t.Parallel()
	addr := refuser(t, func(c net.Conn) {
		size := make([]byte, 4)
		if _, err := io.ReadFull(c, size); err != nil {
			return
		}
		_, _ = io.CopyN(io.Discard, c, int64(binary.BigEndian.Uint32(size)))
	})
	k := startKafka(t, map[string]int32{"logs": 1})
	for hint, held := range map[string]bool{"": false, "0.8.2.0": true, "0.9.0": true, "0.10.2": false, "2.0.0": false} {
		r := newReader(t, k, func(c *kafkaConfig) { oneStream("logs", "logging")(c); c.Brokers, c.Version = []string{addr}, hint })
		got, err := r.source.probeOld(t.Context())
		if err != nil || (got != nil) != held {
			t.Errorf("%q: held to %v, %v", hint, got, err)
		}
		if got != nil && !got.Equal(kversion.V0_9_0()) {
			t.Errorf("%q: held to %v", hint, got)
		}
	}
	// One that can be asked is asked, whatever it says.
	r := newReader(t, k, func(c *kafkaConfig) { oneStream("logs", "logging")(c); c.Version = "0.8.2.0" })
	if got, err := r.source.probeOld(t.Context()); got != nil || err != nil {
		t.Errorf("held to %v, %v", got, err)
	}
}

// TestForgotten tells a hint that a broker no longer speaks.
func TestForgotten(t *testing.T) {
	t.Parallel()
	modern := &kmsg.ApiVersionsResponse{ApiKeys: []kmsg.ApiVersionsResponseApiKey{{ApiKey: int16(kmsg.Fetch), MinVersion: 4, MaxVersion: 17}}}
	for text, want := range map[string]bool{"0.8.2": true, "0.10.2": true, "0.11.0": false, "3.3.1": false} {
		hint, err := parseVersion(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := forgotten(hint, modern); got != want {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
	}
	if forgotten(nil, modern) {
		t.Error("no hint is forgotten")
	}
}

// TestKafkaAssignorOfProtocol checks group_protocol against the assignor.
func TestKafkaAssignorOfProtocol(t *testing.T) {
	t.Parallel()
	for assignor, ok := range map[string]bool{"cooperative_sticky": false, "roundrobin": false, "sticky": true, "range": true} {
		c := kafkaConfig{Brokers: []string{"x:1"}, Group: "g", Assignor: assignor, Protocol: "consumer", SessionTimeout: 1e9, RebalanceWait: 1e9, CommitInterval: 1e9, PartitionWindow: 1}
		err := c.check()
		if (err == nil) != ok {
			t.Errorf("%s: %v", assignor, err)
		}
		if err != nil && !strings.Contains(err.Error(), "assignor: is "+assignor+": with group_protocol: consumer the broker shares the partitions, and knows sticky and range") {
			t.Errorf("%s: %v", assignor, err)
		}
	}
}
