"""Everything on one machine: a real Kafka broker, the ClickHouse engine, and the stack that runs them with the apps."""
