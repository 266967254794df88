// franz-go: `franz produce SERVERS TOPIC`, or `franz consume SERVERS TOPIC COUNT`.
package main

import (
	"bufio"
	"context"
	"fmt"
	"log"
	"os"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Publishes the lines `key TAB value` of stdin. The default partitioner is Java's.
func produce(servers, topic string) {
	client, err := kgo.NewClient(kgo.SeedBrokers(servers), kgo.RequiredAcks(kgo.AllISRAcks()))
	check(err)
	defer client.Close()
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		key, value, _ := strings.Cut(lines.Text(), "\t")
		record := &kgo.Record{Topic: topic, Key: []byte(key), Value: []byte(value)}
		check(client.ProduceSync(context.Background(), record).FirstErr())
	}
}

// Prints `count` values.
func consume(servers, topic, count string) {
	left, err := strconv.Atoi(count)
	check(err)
	client, err := kgo.NewClient(
		kgo.SeedBrokers(servers),
		kgo.ConsumerGroup(fmt.Sprintf("clients-%d", os.Getpid())),
		kgo.ConsumeTopics(topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
	)
	check(err)
	defer client.Close()
	for left > 0 {
		fetches := client.PollFetches(context.Background())
		check(fetches.Err())
		fetches.EachRecord(func(record *kgo.Record) {
			if left > 0 {
				fmt.Println(string(record.Value))
			}
			left--
		})
	}
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func main() {
	if os.Args[1] == "produce" {
		produce(os.Args[2], os.Args[3])
	} else {
		consume(os.Args[2], os.Args[3], os.Args[4])
	}
}
