// kafkajs: `kafkajs_client.js produce SERVERS TOPIC`, or `consume SERVERS TOPIC COUNT`. With KAFKAJS_CODECS=yes it
// reads snappy and lz4 through packages of their own; alone it reads gzip only. The package for zstd, @kafkajs/zstd,
// does not compile on Node 20.
const { createRequire } = require('module')
const fromHome = createRequire(process.env.KAFKAJS_HOME + '/')
const { Kafka, CompressionTypes, CompressionCodecs, Partitioners, logLevel } = fromHome('kafkajs')

if (process.env.KAFKAJS_CODECS) {
  CompressionCodecs[CompressionTypes.Snappy] = fromHome('kafkajs-snappy')
  CompressionCodecs[CompressionTypes.LZ4] = new (fromHome('kafkajs-lz4'))().codec
}

// Publishes the lines `key TAB value` of stdin, to the partitions that Java's clients choose.
async function produce(kafka, topic) {
  const lines = require('fs').readFileSync(0, 'utf8').split('\n').filter((line) => line)
  const messages = lines.map((line) => ({ key: line.split('\t')[0], value: line.split('\t')[1] }))
  const producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner })
  await producer.connect()
  await producer.send({ topic, acks: -1, messages })
  await producer.disconnect()
}

// Prints `count` values.
async function consume(kafka, topic, count) {
  const consumer = kafka.consumer({ groupId: `clients-${process.pid}-${Date.now()}` })
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning: true })
  let left = Number(count)
  consumer.on(consumer.events.CRASH, (event) => fail(event.payload.error))
  await consumer.run({
    eachMessage: async ({ message }) => {
      console.log(message.value.toString())
      if (--left === 0) setImmediate(() => consumer.disconnect().then(() => process.exit(0)))
    },
  })
}

function fail(error) {
  console.error(error.message)
  process.exit(1)
}

const [action, servers, topic, count] = process.argv.slice(2)
if (action === 'version') {
  console.log(fromHome('kafkajs/package.json').version)
} else {
  const kafka = new Kafka({ brokers: servers.split(','), logLevel: logLevel.NOTHING, retry: { retries: 2 } })
  const work = action === 'produce' ? produce(kafka, topic) : consume(kafka, topic, count)
  work.catch(fail)
}
