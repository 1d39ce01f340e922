package kafka

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"dataflow/engine"
)

// stateOf returns what the broker says of a topic.
func stateOf(t *testing.T, client *kgo.Client, name string) (code int16, ok bool) {
	t.Helper()
	req := kmsg.NewPtrMetadataRequest()
	rt := kmsg.NewMetadataRequestTopic()
	rt.Topic = kmsg.StringPtr(name)
	req.Topics = append(req.Topics, rt)
	resp, err := req.RequestWith(t.Context(), client)
	if err != nil {
		return 0, false
	}
	return resp.Topics[0].ErrorCode, true
}

// create makes a topic with a configuration and waits until the broker knows it.
func create(t *testing.T, client *kgo.Client, name string, partitions int32, configs ...string) {
	t.Helper()
	req := kmsg.NewPtrCreateTopicsRequest()
	rt := kmsg.NewCreateTopicsRequestTopic()
	rt.Topic, rt.NumPartitions, rt.ReplicationFactor = name, partitions, -1
	for i := 0; i < len(configs); i += 2 {
		rc := kmsg.NewCreateTopicsRequestTopicConfig()
		rc.Name, rc.Value = configs[i], kmsg.StringPtr(configs[i+1])
		rt.Configs = append(rt.Configs, rc)
	}
	req.Topics, req.TimeoutMillis = append(req.Topics, rt), 20000
	resp, err := req.RequestWith(t.Context(), client)
	if err != nil {
		t.Fatal(err)
	}
	if err := kerr.ErrorForCode(resp.Topics[0].ErrorCode); err != nil {
		t.Fatal(err)
	}
	await(t, name+" is there", nil, func() bool {
		code, ok := stateOf(t, client, name)
		return ok && code == 0
	})
}

// remove deletes a topic and waits until it is gone.
func remove(t *testing.T, client *kgo.Client, name string) {
	t.Helper()
	req := kmsg.NewPtrDeleteTopicsRequest()
	rt := kmsg.NewDeleteTopicsRequestTopic()
	rt.Topic = kmsg.StringPtr(name)
	req.TopicNames, req.Topics, req.TimeoutMillis = []string{name}, append(req.Topics, rt), 20000
	if _, err := req.RequestWith(t.Context(), client); err != nil {
		t.Fatal(err)
	}
	await(t, name+" is gone", nil, func() bool {
		code, ok := stateOf(t, client, name)
		return ok && code == kerr.UnknownTopicOrPartition.Code
	})
}

func sendAll(t *testing.T, client *kgo.Client, records ...*kgo.Record) {
	t.Helper()
	if err := client.ProduceSync(t.Context(), records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

func textOf(topic, value string) *kgo.Record { return &kgo.Record{Topic: topic, Value: []byte(value)} }

// ends returns the first and the last offset of partition 0 of a topic.
func ends(t *testing.T, client *kgo.Client, name string) (first, end int64) {
	t.Helper()
	at := func(time int64) int64 {
		req := kmsg.NewPtrListOffsetsRequest()
		req.ReplicaID = -1
		rt := kmsg.NewListOffsetsRequestTopic()
		rt.Topic = name
		rp := kmsg.NewListOffsetsRequestTopicPartition()
		rp.Timestamp = time
		rt.Partitions = append(rt.Partitions, rp)
		req.Topics = append(req.Topics, rt)
		resp, err := req.RequestWith(t.Context(), client)
		if err != nil {
			t.Fatal(err)
		}
		return resp.Topics[0].Partitions[0].Offset
	}
	return at(-2), at(-1)
}

// readsTo waits until a graph has committed the end of a topic with one partition.
func (r *runner) readsTo(t *testing.T, c *Cluster, group, name string, end int64) {
	t.Helper()
	client := clientOf(t, c)
	await(t, fmt.Sprintf("%s is committed up to %d", name, end), []*runner{r}, func() bool { return position(t, client, group, name) == end })
}

// position is the offset of a group in partition 0 of a topic, -1 while nobody says.
func position(t *testing.T, client *kgo.Client, group, name string) int64 {
	t.Helper()
	req := kmsg.NewPtrOffsetFetchRequest()
	g := kmsg.NewOffsetFetchRequestGroup()
	g.Group = group
	req.Groups = append(req.Groups, g)
	resp, err := req.RequestWith(t.Context(), client)
	if err != nil {
		return -1
	}
	for _, g := range resp.Groups {
		for _, rt := range g.Topics {
			for _, p := range rt.Partitions {
				if rt.Topic == name && p.Partition == 0 {
					return p.Offset
				}
			}
		}
	}
	return -1
}

func (r *runner) has(t *testing.T, want ...string) {
	t.Helper()
	r.basket.mu.Lock()
	defer r.basket.mu.Unlock()
	for _, m := range want {
		if r.basket.got[m] == 0 {
			t.Errorf("%.40q is missing", m)
		}
	}
	if len(r.basket.got) != len(want) {
		t.Errorf("%d different messages, want %d", len(r.basket.got), len(want))
	}
}

// versionsHere are the versions of Kafka that a test of this file runs: all with -long.
func versionsHere() []string {
	if *long {
		return []string{Kafka3, Kafka4}
	}
	return nil
}

// TestRecords reads topics of every kind from Apache Kafka: compressed, transactional, compacted, with records that are too large for the message limit and for
// one answer, and a log that is damaged on the broker's disk.
func TestRecords(t *testing.T) {
	if !onlyLong(t) {
		return
	}
	for _, v := range versionsHere() {
		t.Run(v, func(t *testing.T) {
			c := startCluster(t, Options{Version: v, Properties: []string{
				"message.max.bytes=67108864", "replica.fetch.max.bytes=67108864", "log.cleaner.backoff.ms=200", "log.retention.check.interval.ms=500",
				"log.segment.delete.delay.ms=200", "log.initial.task.delay.ms=500", "log.cleaner.dedupe.buffer.size=8388608", "socket.request.max.bytes=104857600",
			}})
			client := clientOf(t, c, kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerBatchMaxBytes(64<<20))
			run := func(name string, more ...string) *runner {
				return build(t, member(c, "g-"+name, name, more...)...).start(t)
			}
			t.Run("compressed", func(t *testing.T) {
				create(t, client, "compressed", 1)
				var want []string
				for name, codec := range map[string]kgo.CompressionCodec{
					"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(), "lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
				} {
					p := clientOf(t, c, kgo.ProducerBatchCompression(codec))
					for i := range 50 {
						want = append(want, strings.Repeat(name, 20)+fmt.Sprint(i))
						sendAll(t, p, textOf("compressed", want[len(want)-1]))
					}
				}
				r := run("compressed")
				r.readsTo(t, c, "g-compressed", "compressed", 250)
				r.stop(t)
				r.has(t, want...)
			})
			t.Run("transactional", func(t *testing.T) {
				create(t, client, "tx", 1)
				p := clientOf(t, c, kgo.TransactionalID("tx"), kgo.RecordPartitioner(kgo.ManualPartitioner()))
				transact := func(commit bool, values ...string) {
					if err := p.BeginTransaction(); err != nil {
						t.Fatal(err)
					}
					for _, v := range values {
						sendAll(t, p, textOf("tx", v))
					}
					if err := p.EndTransaction(t.Context(), kgo.TransactionEndTry(commit)); err != nil {
						t.Fatal(err)
					}
				}
				transact(true, "a", "b")
				transact(false, "x", "y")
				transact(true, "c")
				transact(false, "z")
				const records, markers = 6, 4
				end := int64(0)
				await(t, "the last marker", nil, func() bool { // it is written a moment after the transaction has ended
					_, end = ends(t, client, "tx")
					return end == records+markers
				})
				r := run("tx")
				began := time.Now()
				r.readsTo(t, c, "g-tx", "tx", end)
				t.Logf("figure: %s transactional: position %d, behind the last marker, after %v", v, end, time.Since(began).Round(10*time.Millisecond))
				r.stop(t)
				r.has(t, "a", "b", "c")
			})
			t.Run("compacted", func(t *testing.T) {
				create(t, client, "state", 1, "cleanup.policy", "compact", "segment.ms", "100", "min.cleanable.dirty.ratio", "0.01", "delete.retention.ms", "100", "segment.bytes", "1048576")
				for i := range 400 {
					sendAll(t, client, &kgo.Record{Topic: "state", Key: fmt.Append(nil, i%4), Value: fmt.Appendf(nil, "v%d", i)})
				}
				sendAll(t, client, &kgo.Record{Topic: "state", Key: []byte("0")}) // deletes the key
				left := 0
				await(t, "compaction", nil, func() bool {
					sendAll(t, client, &kgo.Record{Topic: "state", Key: []byte("tick"), Value: []byte("tick")}) // closes the segment
					left = countRecords(t, c, "state")
					return left < 200
				})
				_, end := ends(t, client, "state")
				r := run("state")
				r.readsTo(t, c, "g-state", "state", end)
				r.stop(t)
				t.Logf("figure: %s compacted: %d of %d records were left when it was read", v, left, end)
				r.basket.mu.Lock()
				defer r.basket.mu.Unlock()
				for _, m := range []string{"v397", "v398", "v399", "tick"} {
					if r.basket.got[m] == 0 {
						t.Errorf("%s is missing", m)
					}
				}
			})
			t.Run("large", func(t *testing.T) {
				create(t, client, "large", 2, "max.message.bytes", "67108864")
				p := clientOf(t, c, kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerBatchMaxBytes(64<<20), kgo.ProducerBatchCompression(kgo.NoCompression()))
				const limit = 4 << 20
				for _, size := range []int{1, limit, limit + 1, 2, 20 << 20, 3, 40 << 20, 4} {
					sendAll(t, p, textOf("large", strings.Repeat("x", size)))
				}
				sendAll(t, clientOf(t, c, kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerBatchMaxBytes(80<<20), kgo.ProducerBatchCompression(kgo.GzipCompression())),
					textOf("large", strings.Repeat("y", 65<<20))) // unpacks to more than 64 MiB
				sendAll(t, p, textOf("large", "end"), &kgo.Record{Topic: "large", Partition: 1, Value: []byte("other")})
				r := run("large")
				began := time.Now()
				r.readsTo(t, c, "g-large", "large", 10)
				t.Logf("figure: %s large: three batches that are too large stepped over within %v", v, time.Since(began).Round(10*time.Millisecond))
				r.basket.await(t, r, 7)
				r.stop(t)
				r.has(t, "x", strings.Repeat("x", limit), "xx", "xxx", "xxxx", "end", "other")
				says(t, r, `msg="records cannot be read and are stepped over" node=mq topic=large partition=0 from=4 to=4 records=1`, "is more than what is read at once, 16MiB", "the message at offset 2 has 4194305B, limits.message is 4MiB")
			})
			t.Run("deleted records", func(t *testing.T) {
				create(t, client, "short", 1)
				for i := range 20 {
					sendAll(t, client, textOf("short", fmt.Sprint("m", i)))
				}
				r := run("short")
				r.readsTo(t, c, "g-short", "short", 20)
				r.stop(t)
				for i := range 20 {
					sendAll(t, client, textOf("short", fmt.Sprint("n", i)))
				}
				req := kmsg.NewPtrDeleteRecordsRequest()
				rt := kmsg.NewDeleteRecordsRequestTopic()
				rt.Topic = "short"
				rt.Partitions = append(rt.Partitions, kmsg.DeleteRecordsRequestTopicPartition{Offset: 33})
				req.Topics, req.TimeoutMillis = append(req.Topics, rt), 10000
				if _, err := req.RequestWith(t.Context(), client); err != nil {
					t.Fatal(err)
				}
				r = run("short")
				r.readsTo(t, c, "g-short", "short", 40)
				r.stop(t)
				r.has(t, "n13", "n14", "n15", "n16", "n17", "n18", "n19")
				says(t, r, `msg="messages were deleted before they were read" node=mq topic=short partition=0 lost=13`)
			})
			t.Run("made anew", func(t *testing.T) {
				create(t, client, "anew", 1)
				r := run("anew")
				for i := range 10 {
					sendAll(t, client, textOf("anew", fmt.Sprint("old", i)))
				}
				r.readsTo(t, c, "g-anew", "anew", 10)
				remove(t, client, "anew")
				create(t, client, "anew", 2)
				fresh := clientOf(t, c, kgo.RecordPartitioner(kgo.ManualPartitioner()))
				began := time.Now()
				for i := range 15 {
					sendAll(t, fresh, textOf("anew", fmt.Sprint("new", i)), &kgo.Record{Topic: "anew", Partition: 1, Value: fmt.Append(nil, "beside", i)})
				}
				r.basket.await(t, r, 40)
				t.Logf("figure: %s made anew: read after %v", v, time.Since(began).Round(10*time.Millisecond))
				r.readsTo(t, c, "g-anew", "anew", 15)
				r.stop(t)
				says(t, r, `msg="a topic was deleted and made anew; it is read from its beginning" node=mq topic=anew`)
			})
			t.Run("damaged on disk", func(t *testing.T) {
				create(t, client, "damaged", 1)
				var want []string
				for i := range 30 {
					m := fmt.Sprintf("message number %02d", i)
					sendAll(t, client, textOf("damaged", m))
					if i != 7 && i != 19 {
						want = append(want, m)
					}
				}
				if err := c.Stop(1); err != nil {
					t.Fatal(err)
				}
				damage(t, c, "damaged", func(log []byte) {
					log[bytes.Index(log, []byte("message number 07"))] ^= 1 // the checksum is wrong
					at := bytes.Index(log, []byte("message number 19"))
					for at -= 61; int64(binary.BigEndian.Uint64(log[at:])) != 19; at-- {
					}
					log[at+16] = 9 // a version that does not exist
				})
				if err := c.Restart(t.Context(), 1); err != nil {
					t.Fatal(err)
				}
				r := run("damaged")
				began := time.Now()
				r.readsTo(t, c, "g-damaged", "damaged", 30)
				t.Logf("figure: %s damaged on disk: two batches stepped over within %v", v, time.Since(began).Round(10*time.Millisecond))
				r.stop(t)
				r.has(t, want...)
				says(t, r, "reading damaged/0 from offset 7 to 7: the batch of records has a wrong checksum")
			})
		})
	}
}

// says looks for texts in the log of a graph.
func says(t *testing.T, r *runner, texts ...string) {
	t.Helper()
	log := strings.ReplaceAll(r.log.String(), `\"`, `"`)
	for _, text := range texts {
		if !strings.Contains(log, text) {
			t.Errorf("the log does not say %q:\n%.6000s", text, log)
		}
	}
}

// countRecords reads partition 0 of a topic from its beginning to where it ends now.
func countRecords(t *testing.T, c *Cluster, name string) int {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(c.Brokers("PLAINTEXT")...), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{name: {0: kgo.NewOffset().AtStart()}}))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	_, end := ends(t, client, name)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for n := 0; ; {
		for _, r := range client.PollFetches(ctx).Records() {
			n++
			if r.Offset >= end-1 {
				return n
			}
		}
		if ctx.Err() != nil {
			t.Fatal("the topic cannot be read")
		}
	}
}

// damage changes the only segment of partition 0 of a topic on the disk of node 1, which does not run.
func damage(t *testing.T, c *Cluster, name string, change func(log []byte)) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(c.node(1), "data", name+"-0", "*.log"))
	if err != nil || len(paths) != 1 {
		t.Fatalf("segments %q: %v", paths, err)
	}
	f, err := os.OpenFile(paths[0], os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	log, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	change(log)
	if _, err := f.WriteAt(log, 0); err != nil {
		t.Fatal(err)
	}
}

// TestLook looks at a real broker, in one row without -long: topics with one partition and without, and the members of groups.
func TestLook(t *testing.T) {
	versions := versionsHere()
	if !*long {
		if !brokersRun(t) {
			return
		}
		versions = []string{Kafka4}
	}
	for _, v := range versions {
		t.Run(v, func(t *testing.T) {
			c := startCluster(t, Options{Version: v})
			client := clientOf(t, c)
			create(t, client, "logs", 3)
			create(t, client, "one", 1)
			look := func(group string, topics string, more ...string) []string {
				var out []string
				build(t, member(c, group, topics, more...)...).engine.Connect(t.Context(), func(_ string, f engine.Finding) { out = append(out, f.Grade+": "+f.Text) })
				return out
			}
			expect := func(got []string, want ...string) {
				t.Helper()
				for _, w := range want {
					if !slices.ContainsFunc(got, func(line string) bool { return strings.HasPrefix(line, w) }) {
						t.Errorf("found\n%s\nwithout %q", strings.Join(got, "\n"), w)
					}
				}
			}
			expect(look("g", "logs, one, misspelt"), "ok: broker 1 at "+c.Brokers("PLAINTEXT")[0]+" (PLAINTEXT): v", "ok: topic logs has 3 partitions",
				"advice: topic one has one partition: only one member of the group can read it; more partitions share the work among several engines",
				"advice: topic misspelt does not exist; it will be read as soon as it does", "ok: group g has no members now")
			join := func(group string, opts ...kgo.Opt) {
				other := clientOf(t, c, append(opts, kgo.ConsumerGroup(group), kgo.ConsumeTopics("one"), kgo.ClientID("datakit"))...)
				await(t, "a member", nil, func() bool {
					ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
					defer cancel()
					other.PollFetches(ctx)
					_, generation := other.GroupMetadata()
					return generation > 0
				})
			}
			join("shared", kgo.Balancers(kgo.RoundRobinBalancer()))
			expect(look("shared", "logs"), "ok: group shared has 1 members now, which share partitions by roundrobin: datakit at 127.0.0.1",
				"fault: the members of group shared share partitions by roundrobin, this source by cooperative-sticky: it will not be let in; say assignor: roundrobin, or take a group of its own",
				"advice: member datakit at 127.0.0.1 subscribes to one, this source to logs: members of one group should read the same topics; take another group for other topics")
			expect(look("shared", "one", "assignor: roundrobin"), "advice: group shared has 1 members and no topic more than 1 partitions: with this source 1 members would have nothing to read")
			if v == Kafka4 {
				join("next", kgo.ServerSideBalancer(), kgo.Balancers(kgo.RangeBalancer()))
				expect(look("next", "one"), "ok: group next has 1 members now, which share partitions by range: datakit at 127.0.0.1",
					"advice: the broker shares the partitions of group next; say group_protocol: consumer, with assignor: sticky or range, as its members do")
			}
		})
	}
}
