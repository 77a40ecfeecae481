// An adapter for clip-conformance in Java, for the protocol `cmd:` of spec/PROTOCOL.md.
//
// It preprocesses images as a Java service does that uses what the platform brings along: ImageIO.read, and
// Graphics2D.drawImage with bicubic interpolation. To score your own preprocessor, replace the method preprocess.
//
//     java Adapter.java                        without building
//     ./build.sh && java -cp build Adapter     starts faster

import java.awt.Graphics2D;
import java.awt.RenderingHints;
import java.awt.image.BufferedImage;
import java.awt.image.DataBufferByte;
import java.io.BufferedReader;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.io.RandomAccessFile;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import javax.imageio.ImageIO;

public final class Adapter {
    private static final float[] MEAN = {0.48145466f, 0.4578275f, 0.40821073f};
    private static final float[] STD = {0.26862954f, 0.26130258f, 0.27577711f};

    /** The stages whose outputs are given. With the last one alone the suite finds the stage at fault by itself. */
    private static final List<String> STAGES = List.of("normalize");

    private static final long MAX_PIXELS = 2L * 89478485; // INP-6
    private static final int MAX_N_PX = 4096; // so that no message makes the adapter run out of memory

    // ---------------------------------------------------------------------------------------- the preprocessor

    /** Scales the shorter side to n, cuts n x n pixels out of the middle, and makes them RGB. */
    static BufferedImage resizeAndCrop(BufferedImage image, int n) {
        long width = image.getWidth();
        long height = image.getHeight();
        long newWidth = width <= height ? n : n * width / height; // SIZ-1, SIZ-2
        long newHeight = width <= height ? n * height / width : n;
        int left = Math.toIntExact(offset(newWidth - n));
        int top = Math.toIntExact(offset(newHeight - n));

        BufferedImage crop = new BufferedImage(n, n, BufferedImage.TYPE_INT_RGB);
        Graphics2D graphics = crop.createGraphics();
        graphics.setRenderingHint(RenderingHints.KEY_INTERPOLATION, RenderingHints.VALUE_INTERPOLATION_BICUBIC);
        graphics.setRenderingHint(RenderingHints.KEY_RENDERING, RenderingHints.VALUE_RENDER_QUALITY);
        // What lies outside the crop is clipped away, not computed.
        graphics.drawImage(image, -left, -top, Math.toIntExact(newWidth), Math.toIntExact(newHeight), null);
        graphics.dispose();
        return crop;
    }

    /** Half of d, and a half is rounded to even (CRP-1). */
    static long offset(long d) {
        return d / 2 + (d / 2 & 1) * (d & 1);
    }

    /** The samples of the image, row after row: R, G, B. */
    static byte[] rgb(BufferedImage image) {
        int n = image.getWidth();
        int[] pixels = image.getRGB(0, 0, n, n, null, 0, n);
        byte[] samples = new byte[3 * pixels.length];
        for (int i = 0; i < pixels.length; i++) {
            samples[3 * i] = (byte) (pixels[i] >> 16);
            samples[3 * i + 1] = (byte) (pixels[i] >> 8);
            samples[3 * i + 2] = (byte) pixels[i];
        }
        return samples;
    }

    /** The model's input: channel, row, column; float32, little-endian (TEN-1, TEN-2, NRM-1). */
    static byte[] normalize(byte[] rgb) {
        int size = rgb.length / 3;
        ByteBuffer tensor = ByteBuffer.allocate(4 * rgb.length).order(ByteOrder.LITTLE_ENDIAN);
        for (int c = 0; c < 3; c++) {
            for (int i = 0; i < size; i++) {
                float t = (rgb[3 * i + c] & 255) / 255f;
                tensor.putFloat((t - MEAN[c]) / STD[c]);
            }
        }
        return tensor.array();
    }

    /** The output of every stage. */
    static Map<String, byte[]> preprocess(BufferedImage image, int n) {
        return Map.of("normalize", normalize(rgb(resizeAndCrop(image, n))));
    }

    // ------------------------------------------------------------------------------------------------- images

    /** The error for an image that is refused, as opposed to one that could not be read. */
    static final class Rejection extends Exception {
        private static final long serialVersionUID = 1;

        Rejection(String message) {
            super(message);
        }
    }

    /** The image of a run message. */
    static BufferedImage load(Map<?, ?> input) throws IOException, Rejection {
        Path path = Path.of(text(input, "path"));
        String kind = text(input, "kind");
        if (kind.equals("file")) {
            return decode(path);
        }
        if (!kind.equals("array")) {
            throw new IllegalArgumentException("the input's kind is " + kind);
        }
        String mode = text(input, "mode");
        int bands = Map.of("L", 1, "RGB", 3, "RGBA", 4).getOrDefault(mode, 0);
        if (bands == 0 || !text(input, "dtype").equals("uint8")) {
            throw new Rejection("mode " + mode + " is not supported");
        }
        List<?> shape = (List<?>) input.get("shape");
        boolean fits = shape != null && (shape.size() == 3 ? integer(shape.get(2)) == bands
                : shape.size() == 2 && bands == 1);
        if (!fits) {
            throw new IllegalArgumentException(shape + " is no shape of mode " + mode);
        }
        long height = integer(shape.get(0));
        long width = integer(shape.get(1));
        if (width <= 0 || height <= 0 || width > MAX_PIXELS / height) { // INP-2, INP-6
            throw new Rejection("the image is " + width + " x " + height);
        }
        byte[] samples = new byte[Math.toIntExact(width * height * bands)];
        try (RandomAccessFile file = new RandomAccessFile(path.toFile(), "r")) {
            file.seek(integer(input.get("offset")));
            file.readFully(samples);
        }
        return image(samples, (int) width, (int) height, bands);
    }

    /** An image of 8-bit samples, of the type that ImageIO gives to a PNG of the same mode. */
    static BufferedImage image(byte[] samples, int width, int height, int bands) {
        int type = bands == 1 ? BufferedImage.TYPE_BYTE_GRAY
                : bands == 3 ? BufferedImage.TYPE_3BYTE_BGR : BufferedImage.TYPE_4BYTE_ABGR;
        BufferedImage image = new BufferedImage(width, height, type);
        byte[] data = ((DataBufferByte) image.getRaster().getDataBuffer()).getData();
        for (int i = 0; i < samples.length; i += bands) {
            for (int band = 0; band < bands; band++) {
                data[i + bands - 1 - band] = samples[i + band]; // Java stores A, B, G, R
            }
        }
        return image;
    }

    /** The image of a file, or a rejection where ImageIO gives none. */
    static BufferedImage decode(Path path) throws IOException, Rejection {
        if (!Files.isReadable(path)) {
            throw new IOException("cannot read " + path);
        }
        BufferedImage image;
        try {
            image = ImageIO.read(path.toFile());
        } catch (IOException | RuntimeException e) { // damaged files raise either
            throw new Rejection("ImageIO: " + e);
        }
        if (image == null) {
            throw new Rejection("ImageIO has no reader for this format");
        }
        return image;
    }

    // ------------------------------------------------------------------------------------------- the protocol

    private int n; // the n_px of the profile, 0 before

    /** Answers a message. Whatever is wrong with it is an exception. */
    private Map<String, Object> answer(Map<?, ?> message) throws IOException, Rejection {
        Map<String, Object> reply = new LinkedHashMap<>();
        reply.put("status", "ok");
        String cmd = text(message, "cmd");
        switch (cmd) {
            case "start" -> {
                reply.put("protocol", 1);
                reply.put("implementation", new TreeMap<>(
                        Map.of("name", "java-graphics2d", "version", "1.0", "language", "java")));
                reply.put("environment", new TreeMap<>(
                        Map.of("java", System.getProperty("java.runtime.version"),
                                "processor", System.getProperty("os.arch"))));
            }
            case "profile" -> {
                n = 0;
                long side = integer(message.get("n_px"));
                if (side < 1) {
                    throw new IllegalArgumentException("n_px is " + side);
                }
                reply.put("stages", STAGES);
                if (side > MAX_N_PX) {
                    reply.put("status", "skipped");
                    reply.put("message", "n_px is too large");
                } else {
                    n = (int) side;
                }
            }
            case "run" -> reply.put("outputs", run(message));
            case "stop" -> { }
            default -> throw new IllegalArgumentException("cmd is " + cmd);
        }
        return reply;
    }

    /** Writes the outputs that a run message asks for, and says where they are. */
    private Map<String, Object> run(Map<?, ?> message) throws IOException, Rejection {
        if (n == 0) {
            throw new IllegalStateException("run without a profile");
        }
        if (message.get("from") != null) {
            throw new IllegalArgumentException("no stage can be run alone");
        }
        if (!(message.get("stages") instanceof List<?> stages)) {
            throw new IllegalArgumentException("no list stages");
        }
        Path out = Path.of(text(message, "out"));
        Map<String, byte[]> outputs = preprocess(load((Map<?, ?>) message.get("input")), n);
        Map<String, Object> paths = new LinkedHashMap<>();
        for (Object stage : stages) {
            byte[] samples = outputs.get(stage);
            if (samples == null) {
                throw new IllegalArgumentException("there is no stage " + stage);
            }
            Files.write(out.resolve(stage + ".raw"), samples);
            paths.put((String) stage, stage + ".raw");
        }
        return paths;
    }

    private static String text(Map<?, ?> message, String key) {
        if (message.get(key) instanceof String value) {
            return value;
        }
        throw new IllegalArgumentException("no text " + key);
    }

    private static long integer(Object value) {
        if (value instanceof Number number && number.longValue() == number.doubleValue()) {
            return number.longValue();
        }
        throw new IllegalArgumentException(value + " is no integer");
    }

    public static void main(String[] args) throws IOException {
        System.setProperty("java.awt.headless", "true");
        ImageIO.setUseCache(false);
        // stdout is for answers alone. What libraries print goes to stderr.
        PrintStream answers = new PrintStream(new FileOutputStream(FileDescriptor.out), false, StandardCharsets.UTF_8);
        System.setOut(System.err);
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        Adapter adapter = new Adapter();
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            Map<String, Object> reply = new LinkedHashMap<>();
            Map<?, ?> message = Map.of();
            try {
                if (!(Json.parse(line) instanceof Map<?, ?> object)) {
                    throw new IllegalArgumentException("the message is no object");
                }
                message = object;
                reply.putAll(adapter.answer(message));
            } catch (Rejection e) {
                reply.put("status", "rejected");
                reply.put("message", e.getMessage());
            } catch (Exception | OutOfMemoryError | StackOverflowError e) {
                e.printStackTrace();
                reply.put("status", "error");
                reply.put("message", e.toString());
            }
            if (message.get("seq") != null) {
                reply.put("seq", message.get("seq"));
            }
            answers.print(Json.format(reply) + "\n");
            answers.flush();
            if ("stop".equals(message.get("cmd"))) {
                break;
            }
        }
    }

    // --------------------------------------------------------------------------------------------------- JSON

    /** Just enough JSON: objects are Map, arrays List, numbers Long or Double. Use a library if you have one. */
    static final class Json {
        private final String text;
        private int at;

        private Json(String text) {
            this.text = text;
        }

        static Object parse(String text) {
            Json json = new Json(text);
            Object value = json.value();
            if (json.peek() != '\0') {
                throw json.error();
            }
            return value;
        }

        private IllegalArgumentException error() {
            return new IllegalArgumentException("not JSON, at character " + at);
        }

        /** The next character that is not blank, '\0' at the end. */
        private char peek() {
            while (at < text.length() && " \t\r\n".indexOf(text.charAt(at)) >= 0) {
                at++;
            }
            return at < text.length() ? text.charAt(at) : '\0';
        }

        private boolean take(char wanted) {
            boolean found = peek() == wanted;
            at += found ? 1 : 0;
            return found;
        }

        private void expect(char wanted) {
            if (!take(wanted)) {
                throw error();
            }
        }

        private Object value() {
            if (take('{')) {
                Map<String, Object> object = new LinkedHashMap<>();
                while (!take('}')) {
                    if (!object.isEmpty()) {
                        expect(',');
                    }
                    expect('"');
                    String key = string();
                    expect(':');
                    object.put(key, value());
                }
                return object;
            }
            if (take('[')) {
                List<Object> array = new ArrayList<>();
                while (!take(']')) {
                    if (!array.isEmpty()) {
                        expect(',');
                    }
                    array.add(value());
                }
                return array;
            }
            return take('"') ? string() : word();
        }

        /** A string whose opening quote is read. */
        private String string() {
            StringBuilder string = new StringBuilder();
            while (at < text.length()) {
                char c = text.charAt(at++);
                if (c == '"') {
                    return string.toString();
                }
                if (c == '\\' && at < text.length()) {
                    c = text.charAt(at++);
                    if (c == 'u' && at + 4 <= text.length()) {
                        c = (char) Integer.parseInt(text.substring(at, at + 4), 16);
                        at += 4;
                    } else if ("\"\\/bfnrt".indexOf(c) >= 0) {
                        c = "\"\\/\b\f\n\r\t".charAt("\"\\/bfnrt".indexOf(c));
                    } else {
                        throw error();
                    }
                }
                string.append(c);
            }
            throw error();
        }

        private Object word() {
            peek();
            int start = at;
            while (at < text.length() && ",]} \t\r\n".indexOf(text.charAt(at)) < 0) {
                at++;
            }
            String word = text.substring(start, at);
            switch (word) {
                case "null": return null;
                case "true": return true;
                case "false": return false;
                default:
            }
            if (word.matches("-?[0-9]{1,18}")) {
                return Long.valueOf(word);
            }
            if (word.matches("-?[0-9]+(\\.[0-9]+)?([eE][-+]?[0-9]+)?")) {
                return Double.valueOf(word);
            }
            throw error();
        }

        static String format(Object value) {
            if (value instanceof Map<?, ?> object) {
                List<String> members = new ArrayList<>();
                object.forEach((key, member) -> members.add(format(key) + ":" + format(member)));
                return "{" + String.join(",", members) + "}";
            }
            if (value instanceof List<?> array) {
                return "[" + String.join(",", array.stream().map(Json::format).toList()) + "]";
            }
            if (value instanceof String string) {
                StringBuilder quoted = new StringBuilder("\"");
                for (char c : string.toCharArray()) {
                    quoted.append(c < ' ' || c == '"' || c == '\\' ? String.format("\\u%04x", (int) c) : c);
                }
                return quoted.append('"').toString();
            }
            return String.valueOf(value);
        }
    }
}
