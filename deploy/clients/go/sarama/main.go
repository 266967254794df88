// Sarama: `sarama produce SERVERS TOPIC`, or `sarama consume SERVERS TOPIC COUNT`.
package main

import (
	"bufio"
	"context"
	"fmt"
	"log"
	"os"
	"strconv"
	"strings"

	"github.com/IBM/sarama"
)

// Publishes the lines `key TAB value` of stdin, to the partitions that Java's clients choose: Sarama's default
// partitioner is another one.
func produce(servers, topic string) {
	config := sarama.NewConfig()
	config.Producer.Partitioner = murmur2Partitioner
	config.Producer.RequiredAcks = sarama.WaitForAll
	config.Producer.Return.Successes = true
	producer, err := sarama.NewSyncProducer(strings.Split(servers, ","), config)
	check(err)
	defer producer.Close()
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		key, value, _ := strings.Cut(lines.Text(), "\t")
		_, _, err := producer.SendMessage(&sarama.ProducerMessage{
			Topic: topic, Key: sarama.StringEncoder(key), Value: sarama.StringEncoder(value),
		})
		check(err)
	}
}

// Prints `count` values.
func consume(servers, topic, count string) {
	left, err := strconv.Atoi(count)
	check(err)
	config := sarama.NewConfig()
	config.Consumer.Offsets.Initial = sarama.OffsetOldest
	group, err := sarama.NewConsumerGroup(strings.Split(servers, ","), fmt.Sprintf("clients-%d", os.Getpid()), config)
	check(err)
	values := make(chan string)
	go func() {
		for {
			check(group.Consume(context.Background(), []string{topic}, printer{values}))
		}
	}()
	for ; left > 0; left-- {
		fmt.Println(<-values)
	}
}

type printer struct{ values chan string }

func (printer) Setup(sarama.ConsumerGroupSession) error   { return nil }
func (printer) Cleanup(sarama.ConsumerGroupSession) error { return nil }
func (p printer) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for message := range claim.Messages() {
		p.values <- string(message.Value)
		session.MarkMessage(message, "")
	}
	return nil
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
