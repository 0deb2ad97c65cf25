package kz.esep.conformance;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.MessageDigest;
import java.security.PublicKey;
import java.security.Signature;
import java.security.spec.X509EncodedKeySpec;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericDatumReader;
import org.apache.avro.generic.GenericDatumWriter;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.generic.IndexedRecord;
import org.apache.avro.io.BinaryDecoder;
import org.apache.avro.io.BinaryEncoder;
import org.apache.avro.io.DecoderFactory;
import org.apache.avro.io.EncoderFactory;
import org.apache.kafka.common.utils.Utils;

/**
 * Reads the golden files with Apache's own Avro and Kafka libraries and Java's own cryptography.
 *
 * <p>Reads conformance/*.jsonl and schemas/ below the folder given as the only argument. Writes how many lines agree.
 * Ends with exit code 1 and the names of those that do not.
 */
public final class Golden {
  private static final int HEADER_BYTES = 5;
  private static final byte[] ED25519_PREFIX = HexFormat.of().parseHex("302a300506032b6570032100"); // RFC 8410

  private final ObjectMapper json = new ObjectMapper();
  private final Path root;
  private final List<String> failures = new ArrayList<>();

  private Golden(Path root) {
    this.root = root;
  }

  public static void main(String[] arguments) throws Exception {
    Golden golden = new Golden(Path.of(arguments[0]));
    System.out.println("records " + golden.records());
    System.out.println("partitions " + golden.partitions());
    System.out.println("instruments " + golden.instruments());
    System.out.println("receipts " + golden.receipts());
    System.out.println("proofs " + golden.proofs());
    golden.failures.forEach(System.err::println);
    if (!golden.failures.isEmpty()) {
      System.exit(1);
    }
  }

  /** Decodes every whole record, compares its fields, and encodes it again to the same bytes. */
  private int records() throws IOException {
    int count = 0;
    for (JsonNode line : lines("records.jsonl")) {
      String name = line.get("name").asText();
      if (line.get("fields").isNull()) {
        continue; // Its bytes were spoiled on purpose.
      }
      byte[] value = bytes(line, "value");
      Schema schema = schema(line.get("record").asText(), line.get("version").asInt());
      expect(name + ": wire format", value[0] == 0 && ByteBuffer.wrap(value, 1, 4).getInt() == line.get("schema_id").asInt());
      GenericRecord record = decode(schema, value, HEADER_BYTES);
      expect(name + ": fields", plain(record).equals(plainNumbers(line.get("fields"))));
      expect(name + ": bytes", Arrays.equals(encode(schema, record), Arrays.copyOfRange(value, HEADER_BYTES, value.length)));
      count++;
    }
    return count;
  }

  /** Computes the partition of every key as Kafka's own default partitioner does. */
  private int partitions() throws IOException {
    int count = 0;
    for (JsonNode line : lines("partitions.jsonl")) {
      int digest = Utils.murmur2(bytes(line, "key"));
      expect(line.get("text") + ": murmur2", digest == line.get("murmur2").asInt());
      for (Map.Entry<String, JsonNode> entry : line.get("partition_of").properties()) {
        int partition = Utils.toPositive(digest) % Integer.parseInt(entry.getKey());
        expect(line.get("text") + " of " + entry.getKey(), partition == entry.getValue().asInt());
      }
      count++;
    }
    return count;
  }

  /** Makes the hash of every instrument from its normal form. */
  private int instruments() throws IOException, GeneralSecurityException {
    int count = 0;
    for (JsonNode line : lines("instruments.jsonl")) {
      if (line.get("normalised").isNull()) {
        continue; // It is none, and must not be hashed.
      }
      Mac mac = Mac.getInstance("HmacSHA256");
      mac.init(new SecretKeySpec(HexFormat.of().parseHex(line.get("key_hex").asText()), "HmacSHA256"));
      String text = line.get("kind").asText() + ":" + line.get("normalised").asText();
      String hash = HexFormat.of().formatHex(mac.doFinal(text.getBytes(StandardCharsets.UTF_8)));
      expect(text, hash.equals(line.get("instrument_hash").asText()));
      count++;
    }
    return count;
  }

  /** Verifies every receipt: the hash of its content, and the signature over that hash. */
  private int receipts() throws IOException, GeneralSecurityException {
    int count = 0;
    for (JsonNode line : lines("receipts.jsonl")) {
      GenericRecord receipt = decode(schema("receipt", 1), bytes(line, "value"), HEADER_BYTES);
      boolean genuine = isGenuine(receipt, publicKey(bytes(line, "public_key")));
      expect(line.get("name").asText() + ": genuine", genuine == line.get("genuine").asBoolean());
      if (genuine) {
        GenericRecord content = decode(schema("receipt_content", 1), array(receipt.get("content")), 0);
        expect(line.get("name").asText() + ": content", plain(content).equals(plainNumbers(line.get("content"))));
      }
      count++;
    }
    return count;
  }

  /** Verifies every proof: those that hold must, the others must not. */
  private int proofs() throws IOException, GeneralSecurityException {
    int count = 0;
    for (JsonNode line : lines("proofs.jsonl")) {
      boolean holds = new Proofs(bytes(line, "root"), schema("receipt_content", 1)).hold(line.get("proof"));
      expect(line.get("name").asText() + ": holds", holds == line.get("holds").asBoolean());
      count++;
    }
    return count;
  }

  private static boolean isGenuine(GenericRecord receipt, PublicKey key) throws GeneralSecurityException {
    byte[] digest = MessageDigest.getInstance("SHA-256").digest(array(receipt.get("content")));
    Signature signature = Signature.getInstance("Ed25519");
    signature.initVerify(key);
    signature.update(digest);
    return HexFormat.of().formatHex(digest).equals(receipt.get("content_sha256").toString())
        && signature.verify(array(receipt.get("signature")));
  }

  private static PublicKey publicKey(byte[] raw) throws GeneralSecurityException {
    byte[] encoded = ByteBuffer.allocate(ED25519_PREFIX.length + raw.length).put(ED25519_PREFIX).put(raw).array();
    return KeyFactory.getInstance("Ed25519").generatePublic(new X509EncodedKeySpec(encoded));
  }

  private static GenericRecord decode(Schema schema, byte[] value, int from) throws IOException {
    BinaryDecoder decoder = DecoderFactory.get().binaryDecoder(value, from, value.length - from, null);
    GenericRecord record = new GenericDatumReader<GenericRecord>(schema).read(null, decoder);
    if (!decoder.isEnd()) {
      throw new IOException("bytes are left over");
    }
    return record;
  }

  private static byte[] encode(Schema schema, GenericRecord record) throws IOException {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    BinaryEncoder encoder = EncoderFactory.get().binaryEncoder(out, null);
    new GenericDatumWriter<GenericRecord>(schema).write(record, encoder);
    encoder.flush();
    return out.toByteArray();
  }

  /** Returns a decoded value as JSON has it. */
  private JsonNode plain(Object value) {
    if (value instanceof IndexedRecord record) {
      var node = json.createObjectNode();
      record.getSchema().getFields().forEach(field -> node.set(field.name(), plain(record.get(field.pos()))));
      return node;
    }
    if (value instanceof Iterable<?> items) {
      var node = json.createArrayNode();
      items.forEach(item -> node.add(plain(item)));
      return node;
    }
    return value instanceof Number number
        ? json.getNodeFactory().numberNode(number.longValue())
        : value == null ? json.nullNode() : json.getNodeFactory().textNode(value.toString());
  }

  /** Returns a node with every number as a long, as {@link #plain} has them. */
  private JsonNode plainNumbers(JsonNode node) {
    if (node.isObject()) {
      var copy = json.createObjectNode();
      node.properties().forEach(entry -> copy.set(entry.getKey(), plainNumbers(entry.getValue())));
      return copy;
    }
    if (node.isArray()) {
      var copy = json.createArrayNode();
      node.forEach(item -> copy.add(plainNumbers(item)));
      return copy;
    }
    return node.isNumber() ? json.getNodeFactory().numberNode(node.asLong()) : node;
  }

  private List<JsonNode> lines(String name) throws IOException {
    List<JsonNode> found = new ArrayList<>();
    for (String line : Files.readAllLines(root.resolve("conformance").resolve(name))) {
      found.add(json.readTree(line));
    }
    return found;
  }

  private Schema schema(String record, int version) throws IOException {
    return new Schema.Parser().parse(Files.readString(root.resolve("schemas").resolve(record).resolve("v" + version + ".avsc")));
  }

  private static byte[] bytes(JsonNode line, String name) {
    return Base64.getDecoder().decode(line.get(name).asText());
  }

  private static byte[] array(Object buffer) {
    ByteBuffer copy = ((ByteBuffer) buffer).duplicate();
    byte[] content = new byte[copy.remaining()];
    copy.get(content);
    return content;
  }

  private void expect(String what, boolean agrees) {
    if (!agrees) {
      failures.add("differs: " + what);
    }
  }
}
