// The command producer writes the lines of a file to a topic with sarama: key, tab, value.
package main

import (
	"bufio"
	"bytes"
	"fmt"
	"os"

	"github.com/IBM/sarama"
)

func main() {
	if len(os.Args) != 5 {
		fmt.Fprintln(os.Stderr, "usage: producer BROKER TOPIC CODEC FILE")
		os.Exit(2)
	}
	if err := produce(os.Args[1], os.Args[2], os.Args[3], os.Args[4]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func produce(broker, topic, codec, path string) error {
	config := sarama.NewConfig()
	config.Version = sarama.V2_1_0_0 // the first one with zstd
	config.Producer.Return.Successes = true
	config.Producer.RequiredAcks = sarama.WaitForAll
	if err := config.Producer.Compression.UnmarshalText([]byte(codec)); err != nil {
		return err
	}
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	var messages []*sarama.ProducerMessage
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		key, value, _ := bytes.Cut(bytes.Clone(lines.Bytes()), []byte("\t"))
		messages = append(messages, &sarama.ProducerMessage{
			Topic: topic, Key: sarama.ByteEncoder(key), Value: sarama.ByteEncoder(value),
			Headers: []sarama.RecordHeader{{Key: []byte("codec"), Value: []byte(codec)}, {Key: []byte("client"), Value: []byte("sarama")}},
		})
	}
	if err := lines.Err(); err != nil {
		return err
	}
	producer, err := sarama.NewSyncProducer([]string{broker}, config)
	if err != nil {
		return err
	}
	if err := producer.SendMessages(messages); err != nil {
		return err
	}
	return producer.Close()
}
