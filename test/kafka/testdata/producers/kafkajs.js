// Writes the lines of a file to a topic with kafkajs: key, tab, value. Arguments: broker, topic, codec, file. Codecs other than gzip are plugins, as
// the documentation of kafkajs has them; those for lz4 and zstd that it names build native code; here libraries do
// the work that come ready to run.
const fs = require("fs");
const { Kafka, CompressionTypes, CompressionCodecs, Partitioners, logLevel } = require("kafkajs");

CompressionCodecs[CompressionTypes.Snappy] = require("kafkajs-snappy");
CompressionCodecs[CompressionTypes.LZ4] = () => {
  const lz4 = require("lz4-napi");
  return { compress: (encoder) => lz4.compressFrame(encoder.buffer), decompress: (buffer) => lz4.decompressFrame(buffer) };
};
const zstd = new Promise((ready) => require("zstd-codec").ZstdCodec.run((z) => ready(new z.Simple())));
CompressionCodecs[CompressionTypes.ZSTD] = () => ({
  compress: async (encoder) => Buffer.from((await zstd).compress(encoder.buffer)),
  decompress: async (buffer) => Buffer.from((await zstd).decompress(buffer)),
});
const types = {
  none: CompressionTypes.None,
  gzip: CompressionTypes.GZIP,
  snappy: CompressionTypes.Snappy,
  lz4: CompressionTypes.LZ4,
  zstd: CompressionTypes.ZSTD,
};

async function main([broker, topic, codec, path]) {
  const producer = new Kafka({ brokers: [broker], logLevel: logLevel.ERROR }).producer({ createPartitioner: Partitioners.DefaultPartitioner });
  const messages = fs.readFileSync(path, "utf8").split("\n").slice(0, -1).map((line) => {
    const at = line.indexOf("\t");
    return { key: line.slice(0, at), value: line.slice(at + 1), headers: { codec, client: "kafkajs" } };
  });
  await producer.connect();
  for (let i = 0; i < messages.length; i += 100) {
    await producer.send({ topic, acks: -1, compression: types[codec], messages: messages.slice(i, i + 100) });
  }
  await producer.disconnect();
}

main(process.argv.slice(2)).catch((error) => {
  console.error(error);
  process.exit(1);
});
