"""Messages of banks and card networks: ISO 20022, ISO 8583, Avro, Protobuf and JSON, as rows that a mapping reads.

Pure: no Kafka, no network. `fraudstream.bridge` reads messages from a topic, `fraudstream.backtest` from files.
"""
