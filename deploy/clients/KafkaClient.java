import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;
import org.apache.kafka.common.utils.AppInfoParser;

/** Apache Kafka's own client: `KafkaClient produce SERVERS TOPIC`, or `consume SERVERS TOPIC COUNT`. */
public class KafkaClient {
    public static void main(String[] arguments) throws Exception {
        switch (arguments[0]) {
            case "version" -> System.out.println(AppInfoParser.getVersion());
            case "produce" -> produce(arguments[1], arguments[2]);
            default -> consume(arguments[1], arguments[2], Integer.parseInt(arguments[3]));
        }
    }

    /** Publishes the lines `key TAB value` of stdin, idempotently, as is the default. */
    static void produce(String servers, String topic) throws Exception {
        var lines = new BufferedReader(new InputStreamReader(System.in));
        var settings = Map.<String, Object>of("bootstrap.servers", servers);
        try (var producer = new KafkaProducer<>(settings, new StringSerializer(), new StringSerializer())) {
            for (String line; (line = lines.readLine()) != null; ) {
                var parts = line.split("\t", 2);
                producer.send(new ProducerRecord<>(topic, parts[0], parts[1])).get();
            }
        }
    }

    /** Prints `count` values. */
    static void consume(String servers, String topic, int count) {
        var settings = Map.<String, Object>of(
                "bootstrap.servers", servers, "group.id", "clients-" + UUID.randomUUID(), "auto.offset.reset", "earliest");
        try (var consumer = new KafkaConsumer<>(settings, new StringDeserializer(), new StringDeserializer())) {
            consumer.subscribe(List.of(topic));
            for (int left = count; left > 0; ) {
                for (ConsumerRecord<String, String> record : consumer.poll(Duration.ofSeconds(1))) {
                    if (left-- > 0) System.out.println(record.value());
                }
            }
        }
    }
}
