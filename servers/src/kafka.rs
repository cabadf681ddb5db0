//! A throw-away Apache Kafka.
