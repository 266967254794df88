import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/** Publishes one payment and prints its decision: `java -cp 'CLASSPATH' FirstPayment.java HOST:PORT`. */
public class FirstPayment {
    public static void main(String[] arguments) throws Exception {
        var settings = Map.<String, Object>of("bootstrap.servers", arguments[0]);
        var eventId = "p-" + UUID.randomUUID(); // unique for ever: a repeat gets the first decision again
        var payment = """
                {"event_id": "%s", "occurred_at": "%s", "account_id": "acct-8", "amount": "64.20", "currency": "EUR",
                 "direction": "debit", "kind": "transfer", "channel": "web", "counterparty_id": "cp-9"}"""
                .formatted(eventId, Instant.now());
        try (var consumer = new KafkaConsumer<>(settings, new StringDeserializer(), new StringDeserializer());
                var producer = new KafkaProducer<>(settings, new StringSerializer(), new StringSerializer())) {
            List<TopicPartition> partitions = consumer.partitionsFor("decisions").stream()
                    .map(partition -> new TopicPartition(partition.topic(), partition.partition())).toList();
            consumer.assign(partitions);
            consumer.seekToEnd(partitions);
            for (var partition : partitions) consumer.position(partition); // looked up now, before the payment is there
            producer.send(new ProducerRecord<>("payments", "acct-8", payment)).get(); // keyed by the account
            for (var deadline = Instant.now().plusSeconds(30); Instant.now().isBefore(deadline); ) {
                for (var record : consumer.poll(Duration.ofMillis(200))) {
                    if (record.value().contains(eventId)) {
                        System.out.println(record.value());
                        return;
                    }
                }
            }
        }
        throw new IllegalStateException("no decision within 30 s");
    }
}
