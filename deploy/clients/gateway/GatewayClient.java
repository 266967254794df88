import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;

/** Decisions over HTTP from Java 17, without a library: `GatewayClient URL < payments`, one a line. */
public class GatewayClient {
    static final long DEADLINE_MS = 10_000;

    public static void main(String[] arguments) throws Exception {
        var client = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).connectTimeout(Duration.ofSeconds(1)).build();
        var lines = new BufferedReader(new InputStreamReader(System.in));
        for (String line; (line = lines.readLine()) != null; ) {
            var request = HttpRequest.newBuilder(URI.create(arguments[0] + "/v1/decisions"))
                    .header("Content-Type", "application/json")
                    .header("Deadline-Ms", String.valueOf(DEADLINE_MS))
                    .timeout(Duration.ofMillis(DEADLINE_MS + 1000))
                    .POST(HttpRequest.BodyPublishers.ofString(line))
                    .build();
            var response = client.send(request, HttpResponse.BodyHandlers.ofString());
            System.out.println(response.body()); // 200: a decision or a time-out; others: a problem with code and detail
        }
    }
}
