package kz.esep.conformance;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.List;
import java.util.Properties;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericData;
import org.apache.avro.generic.GenericDatumWriter;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.io.BinaryEncoder;
import org.apache.avro.io.EncoderFactory;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.serialization.StringSerializer;

/** Sends one wager: the example of docs/integrate.md. Arguments: brokers, the schema's file, milliseconds of the bet. */
public final class SendOne {
  public static void main(String[] arguments) throws Exception {
    String brokers = arguments[0];
    Path schemaFile = Path.of(arguments[1]);
    long occurredAt = Long.parseLong(arguments[2]);
    // --- integrate.md
    Schema schema = new Schema.Parser().parse(schemaFile.toFile()); // schemas/wager/v1.avsc
    GenericRecord wager = new GenericData.Record(schema);
    wager.put("organizer_bin", "940140000385");
    wager.put("stream_id", "cash-desk-9"); // one numbering: 1, 2, 3 ...
    wager.put("sequence", 1L);
    wager.put("site_id", "ALA-1");
    wager.put("iin", "900101300007");
    wager.put("wager_id", "ticket-1");
    wager.put("occurred_at", occurredAt); // milliseconds since 1970, UTC
    wager.put("amount_tiyn", 500_000L); // 5,000 tenge
    wager.put("payment_method", "CASH");
    wager.put("channel", "RETAIL");
    wager.put("funding", "CASH");
    wager.put("odds_milli", 1_850);
    wager.put("selections", List.of());

    ByteArrayOutputStream value = new ByteArrayOutputStream();
    value.write(ByteBuffer.allocate(5).put((byte) 0).putInt(1001).array()); // the id of wager, version 1
    BinaryEncoder encoder = EncoderFactory.get().binaryEncoder(value, null);
    new GenericDatumWriter<GenericRecord>(schema).write(wager, encoder);
    encoder.flush();

    Properties settings = new Properties();
    settings.put("bootstrap.servers", brokers);
    settings.put("acks", "all");
    settings.put("enable.idempotence", "true");
    try (var producer = new KafkaProducer<>(settings, new StringSerializer(), new ByteArraySerializer())) {
      var message = new ProducerRecord<>("organizer.940140000385.events", "cash-desk-9", value.toByteArray());
      System.out.println("at offset " + producer.send(message).get().offset());
    }
    // --- integrate.md
  }
}
