// segmentio/kafka-go: `kafkago produce SERVERS TOPIC`, or `kafkago consume SERVERS TOPIC COUNT`.
package main

import (
	"bufio"
	"context"
	"fmt"
	"log"
	"os"
	"strconv"
	"strings"

	"github.com/segmentio/kafka-go"
)

// Publishes the lines `key TAB value` of stdin, to the partitions that Java's clients choose.
func produce(servers, topic string) {
	writer := &kafka.Writer{
		Addr: kafka.TCP(servers), Topic: topic, Balancer: kafka.Murmur2Balancer{}, RequiredAcks: kafka.RequireAll,
		BatchSize: 1,
	}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		key, value, _ := strings.Cut(lines.Text(), "\t")
		check(writer.WriteMessages(context.Background(), kafka.Message{Key: []byte(key), Value: []byte(value)}))
	}
	check(writer.Close())
}

// Prints `count` values.
func consume(servers, topic, count string) {
	left, err := strconv.Atoi(count)
	check(err)
	reader := kafka.NewReader(kafka.ReaderConfig{
		Brokers: []string{servers}, Topic: topic, GroupID: fmt.Sprintf("clients-%d", os.Getpid()),
		StartOffset: kafka.FirstOffset,
	})
	for ; left > 0; left-- {
		message, err := reader.ReadMessage(context.Background())
		check(err)
		fmt.Println(string(message.Value))
	}
	check(reader.Close())
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
