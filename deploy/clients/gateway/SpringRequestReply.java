import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;
import org.springframework.kafka.core.DefaultKafkaConsumerFactory;
import org.springframework.kafka.core.DefaultKafkaProducerFactory;
import org.springframework.kafka.listener.ContainerProperties;
import org.springframework.kafka.listener.KafkaMessageListenerContainer;
import org.springframework.kafka.requestreply.ReplyingKafkaTemplate;
import org.springframework.kafka.support.TopicPartitionOffset;

/**
 * Decisions without HTTP, by Spring's ReplyingKafkaTemplate: `SpringRequestReply SERVERS PAYMENTS REPLIES PARTITION`.
 * Reads lines `account TAB payment` and prints the decision on each.
 */
public class SpringRequestReply {
    public static void main(String[] arguments) throws Exception {
        String servers = arguments[0], payments = arguments[1], replies = arguments[2];
        var consumers = new DefaultKafkaConsumerFactory<String, String>(
                Map.of("bootstrap.servers", servers, "group.id", "checkout", "enable.auto.commit", false),
                new StringDeserializer(), new StringDeserializer());
        var producers = new DefaultKafkaProducerFactory<String, String>(
                Map.of("bootstrap.servers", servers, "acks", "all"), new StringSerializer(), new StringSerializer());
        // A partition of its own: the template then sets kafka_replyTopic and kafka_replyPartition itself.
        var own = new TopicPartitionOffset(replies, Integer.parseInt(arguments[3]), TopicPartitionOffset.SeekPosition.END);
        var container = new KafkaMessageListenerContainer<>(consumers, new ContainerProperties(own));
        var template = new ReplyingKafkaTemplate<String, String, String>(producers, container);
        template.setDefaultReplyTimeout(Duration.ofSeconds(30));
        template.afterPropertiesSet();
        template.start();
        try {
            template.waitForAssignment(Duration.ofSeconds(30));
            Thread.sleep(1000); // until the container has its position at the end
            var lines = new BufferedReader(new InputStreamReader(System.in));
            for (String line; (line = lines.readLine()) != null; ) {
                var parts = line.split("\t", 2);
                var sent = template.sendAndReceive(new ProducerRecord<>(payments, parts[0], parts[1]));
                System.out.println(sent.get(30, TimeUnit.SECONDS).value());
            }
        } finally {
            template.stop();
            template.destroy();
            producers.destroy();
        }
    }
}
