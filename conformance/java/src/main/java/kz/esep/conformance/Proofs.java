package kz.esep.conformance;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.security.Signature;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.Date;
import java.util.Deque;
import java.util.HexFormat;
import java.util.Iterator;
import java.util.List;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericDatumReader;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.io.DecoderFactory;

/**
 * Verifies proofs as docs/integrate.md says: with the authority's root certificate and nothing else.
 *
 * <p>Reads the JSON of a proof. Says whether it holds.
 */
final class Proofs {
  private record Node(int level, byte[] hash) {}

  private final X509Certificate authority;
  private final Schema content;

  Proofs(byte[] authority, Schema content) throws GeneralSecurityException {
    this.authority = certificate(authority);
    this.content = content;
  }

  boolean hold(JsonNode proof) throws IOException {
    try {
      return proof.get("format").asText().equals("esep-inclusion") ? includes(proof) : extend(proof);
    } catch (GeneralSecurityException refused) {
      return false;
    }
  }

  private boolean includes(JsonNode proof) throws IOException, GeneralSecurityException {
    String[] entry = proof.get("entry_id").asText().split("/"); // BIN, stream, sequence
    GenericRecord account = account(proof.get("receipt"), entry[0], entry[1]);
    long number = Long.parseLong(entry[2]);
    if (account == null || number < 1 || number > through(account)) {
      return false;
    }
    byte[] joined = HexFormat.of().parseHex(proof.get("message_sha256").asText());
    int level = 0;
    for (byte[] other : hashes(proof.get("path"))) {
      joined = (number - 1 >> level++ & 1) == 1 ? join(other, joined) : join(joined, other);
    }
    List<byte[]> peaks = new ArrayList<>();
    Iterator<byte[]> others = hashes(proof.get("peaks")).iterator();
    long begin = 0;
    for (int bit : bits(through(account))) {
      boolean isOwn = begin < number && number <= begin + (1L << bit);
      if (isOwn ? level != bit : !others.hasNext()) {
        return false;
      }
      peaks.add(isOwn ? joined : others.next());
      begin += 1L << bit;
    }
    return !others.hasNext() && Arrays.equals(root(through(account), peaks), root(account));
  }

  private boolean extend(JsonNode proof) throws IOException, GeneralSecurityException {
    String bin = proof.get("organizer_bin").asText();
    String stream = proof.get("stream_id").asText();
    GenericRecord before = account(proof.get("earlier"), bin, stream);
    GenericRecord after = account(proof.get("later"), bin, stream);
    if (before == null || after == null || through(before) < 1 || through(before) > through(after)) {
      return false;
    }
    List<Integer> levels = bits(through(before));
    int peaks = levels.size();
    for (long begin = through(before); begin < through(after); begin += 1L << levels.get(levels.size() - 1)) {
      levels.add(Math.min(Long.numberOfTrailingZeros(begin), 63 - Long.numberOfLeadingZeros(through(after) - begin)));
    }
    List<byte[]> nodes = hashes(proof.get("nodes"));
    if (nodes.size() != levels.size() || !Arrays.equals(root(through(before), nodes.subList(0, peaks)), root(before))) {
      return false;
    }
    Deque<Node> hill = new ArrayDeque<>(); // The nodes so far, of which no two can be joined.
    for (int at = 0; at < nodes.size(); at++) {
      Node node = new Node(levels.get(at), nodes.get(at));
      while (!hill.isEmpty() && hill.peekLast().level() == node.level()) {
        node = new Node(node.level() + 1, join(hill.removeLast().hash(), node.hash()));
      }
      hill.addLast(node);
    }
    return Arrays.equals(root(through(after), hill.stream().map(Node::hash).toList()), root(after));
  }

  /** Returns what a receipt that verifies says of a stream, null if that is nothing. */
  private GenericRecord account(JsonNode receipt, String bin, String stream) throws IOException, GeneralSecurityException {
    byte[] body = bytes(receipt, "content");
    X509Certificate issued = certificate(bytes(receipt, "certificate"));
    issued.verify(authority.getPublicKey());
    issued.checkValidity(new Date(receipt.get("issued_at_ms").asLong()));
    Signature signature = Signature.getInstance("Ed25519");
    signature.initVerify(issued.getPublicKey());
    signature.update(MessageDigest.getInstance("SHA-256").digest(body));
    if (!signature.verify(bytes(receipt, "signature"))) {
      return null;
    }
    GenericRecord told = new GenericDatumReader<GenericRecord>(content).read(null, DecoderFactory.get().binaryDecoder(body, null));
    if (!told.get("organizer_bin").toString().equals(bin)) {
      return null;
    }
    for (Object one : (Iterable<?>) told.get("streams")) {
      if (((GenericRecord) one).get("stream_id").toString().equals(stream)) {
        return (GenericRecord) one;
      }
    }
    return null;
  }

  private static long through(GenericRecord account) {
    return (Long) account.get("root_through");
  }

  private static byte[] root(GenericRecord account) {
    return HexFormat.of().parseHex(account.get("root").toString());
  }

  /** Returns the root over so many messages: their peaks joined from the right, under their count. */
  private static byte[] root(long count, List<byte[]> peaks) throws GeneralSecurityException {
    byte[] joined = peaks.get(peaks.size() - 1);
    for (int at = peaks.size() - 2; at >= 0; at--) {
      joined = join(peaks.get(at), joined);
    }
    MessageDigest digest = MessageDigest.getInstance("SHA-256");
    digest.update((byte) 2);
    digest.update(ByteBuffer.allocate(Long.BYTES).putLong(count).array());
    return digest.digest(joined);
  }

  private static byte[] join(byte[] left, byte[] right) throws GeneralSecurityException {
    MessageDigest digest = MessageDigest.getInstance("SHA-256");
    digest.update((byte) 1);
    digest.update(left);
    return digest.digest(right);
  }

  /** Returns which bits of a count are set, from the highest: its peaks from the left. */
  private static List<Integer> bits(long count) {
    List<Integer> found = new ArrayList<>();
    for (int bit = 62; bit >= 0; bit--) {
      if ((count >> bit & 1) == 1) {
        found.add(bit);
      }
    }
    return found;
  }

  private static List<byte[]> hashes(JsonNode texts) {
    List<byte[]> found = new ArrayList<>();
    texts.forEach(text -> found.add(HexFormat.of().parseHex(text.asText())));
    return found;
  }

  private static X509Certificate certificate(byte[] encoded) throws GeneralSecurityException {
    return (X509Certificate) CertificateFactory.getInstance("X.509").generateCertificate(new ByteArrayInputStream(encoded));
  }

  private static byte[] bytes(JsonNode line, String name) {
    return Base64.getDecoder().decode(line.get(name).asText());
  }
}
