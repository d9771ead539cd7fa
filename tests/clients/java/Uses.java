import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.util.Map;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

/** Runs uses of a library one after the other, because a JVM for each would take longer. */
final class Uses {
    /** A use; what it throws is shown as the error that the program's own call raised. */
    interface Use {
        void run(Target to) throws Exception;
    }

    interface Call {
        void run() throws Exception;
    }

    /** The port, and the certificate to trust; without one nothing goes through TLS. */
    record Target(int port, Path certificate) {
        boolean tls() {
            return certificate != null;
        }

        TrustManagerFactory trust() throws Exception {
            KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
            store.load(null, null);
            try (InputStream pem = Files.newInputStream(certificate)) {
                store.setCertificateEntry(
                        "server", CertificateFactory.getInstance("X.509").generateCertificate(pem));
            }
            var factory = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
            factory.init(store);
            return factory;
        }

        SSLContext context() throws Exception {
            SSLContext context = SSLContext.getInstance("TLS");
            context.init(null, trust().getTrustManagers(), null);
            return context;
        }
    }

    /**
     * The main method of each library's program.
     *
     * <p>usage: Main [tls=CERTIFICATE] (PORT USE)…
     */
    static void run(Map<String, Use> uses, String[] arguments) {
        int first = arguments[0].startsWith("tls=") ? 1 : 0;
        Path certificate = first == 0 ? null : Path.of(arguments[0].substring("tls=".length()));
        for (int at = first; at + 1 < arguments.length; at += 2) {
            String name = arguments[at + 1];
            System.out.println("use " + name);
            Target to = new Target(Integer.parseInt(arguments[at]), certificate);
            attempt(() -> uses.get(name).run(to));
        }
        // Some libraries leave threads behind.
        System.exit(0);
    }

    /** Shows what a call throws. A use calls this for each of its calls, if it has several. */
    static void attempt(Call call) {
        try {
            call.run();
        } catch (Exception error) {
            show(error);
        }
    }

    /** Shows an error, and what a stack trace would add to its message. */
    static void show(Throwable error) {
        String message = String.valueOf(error.getMessage());
        System.out.println(error.getClass().getName() + ": " + message);
        Throwable cause = error;
        while (cause.getCause() != null) {
            cause = cause.getCause();
        }
        if (!message.contains(String.valueOf(cause.getMessage()))) {
            System.out.println("Caused by: " + cause);
        }
        for (Throwable suppressed : error.getSuppressed()) {
            System.out.println("Suppressed: " + suppressed);
        }
    }
}
