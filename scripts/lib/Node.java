import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Path;
import java.util.Map;
import java.util.TreeMap;
import org.codelibs.opensearch.runner.OpenSearchRunner;

/**
 * Runs one OpenSearch node in this process: java -cp 'lib/*' Node.java DIR [key=value ...]
 *
 * <p>The pairs are node settings, except plugin.types, which names the classes of plugins that are
 * on the class path. The node ends with SIGTERM, and, with the pair
 * watch.stdin=true, when its standard input closes, so that it never outlives its parent.
 */
public final class Node {
    public static void main(String[] args) throws Exception {
        Path directory = Path.of(args[0]);
        Map<String, String> settings = new TreeMap<>();
        for (int i = 1; i < args.length; i++) {
            String[] pair = args[i].split("=", 2);
            settings.put(pair[0], pair[1]);
        }
        boolean watch = Boolean.parseBoolean(settings.remove("watch.stdin"));
        String cluster = settings.remove("cluster.name");
        String plugins = settings.remove("plugin.types");
        if (watch) {
            Thread watcher = new Thread(Node::endWithStandardInput, "standard-input");
            watcher.setDaemon(true);
            watcher.start();
        }
        // OpenSearch sends System.out to its log.
        PrintStream out = System.out;
        OpenSearchRunner runner = new OpenSearchRunner();
        runner.onBuild((number, builder) -> settings.forEach(builder::put));
        OpenSearchRunner.Configs configs =
                OpenSearchRunner.newConfigs()
                        .basePath(directory.toString())
                        .numOfNode(1)
                        .clusterName(cluster);
        runner.build(plugins == null ? configs : configs.pluginTypes(plugins));
        out.println("ready http://127.0.0.1:" + settings.get("http.port"));
        out.flush();
        Thread.currentThread().join();
    }

    private static void endWithStandardInput() {
        try {
            while (System.in.read() >= 0) {
                // Only the end of the input matters; its content is ignored.
            }
        } catch (IOException e) {
            // A failed read counts as the end of the input.
        }
        Runtime.getRuntime().halt(0);
    }
}
