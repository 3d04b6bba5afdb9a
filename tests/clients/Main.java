import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.security.MessageDigest;
import java.util.HexFormat;

/** Java's own HTTP client as it comes, over HTTP/2 and over HTTP/1.1. */
public class Main {
    static final String BASE = "https://api.example.com:9443";

    static void told(HttpClient client, HttpRequest.Builder request) throws Exception {
        HttpResponse<byte[]> answer = client.send(request.build(), HttpResponse.BodyHandlers.ofByteArray());
        byte[] digest = MessageDigest.getInstance("SHA-256").digest(answer.body());
        System.out.println(answer.version() + " " + answer.uri().getPath() + " " + answer.statusCode() + " "
                + answer.body().length + " " + HexFormat.of().formatHex(digest));
    }

    public static void main(String[] arguments) throws Exception {
        for (HttpClient.Version version : HttpClient.Version.values()) {
            HttpClient client = HttpClient.newBuilder().version(version).build();
            for (String path : new String[] {"/text", "/large", "/none"}) {
                told(client, HttpRequest.newBuilder(URI.create(BASE + path)));
            }
            byte[] body = new byte[300_000];
            told(client, HttpRequest.newBuilder(URI.create(BASE + "/echo"))
                    .POST(HttpRequest.BodyPublishers.ofByteArray(body)));
        }
    }
}
