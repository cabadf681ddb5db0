# Millwork as an image: built from source, run by a user without rights, on a small Debian.
#
#   docker build -t millwork .                       the server
#   docker build -t millwork-bench --target bench .  the load generator, for the profile "benchmark"

FROM rust:1.95-bookworm AS build
# What SQLite, librdkafka and OpenSSL are compiled with: see scripts/setup.sh.
RUN apt-get update \
 && apt-get install -y --no-install-recommends g++ make perl \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY rust-toolchain.toml ./
RUN rustup show active-toolchain || rustup toolchain install
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked --package millwork --package millwork-bench \
 && install -D -t /out target/release/millwork target/release/millwork-bench

FROM debian:bookworm-slim AS base
RUN useradd --system --uid 10001 --create-home --home-dir /var/lib/millwork millwork
USER millwork
WORKDIR /var/lib/millwork
ENV MILLWORK_DATA_DIR=/var/lib/millwork

FROM base AS bench
COPY --from=build /out/millwork-bench /usr/local/bin/
ENTRYPOINT ["millwork-bench"]
HEALTHCHECK NONE

FROM base AS millwork
COPY --from=build /out/millwork /usr/local/bin/
VOLUME /var/lib/millwork
# Inside a container there is nobody on loopback; what of it is published is for the composition to say.
ENV MILLWORK_LISTEN=0.0.0.0:8002
EXPOSE 8002
HEALTHCHECK --interval=5s --timeout=6s --start-period=20s --retries=6 CMD ["millwork", "health"]
ENTRYPOINT ["millwork"]
CMD ["serve"]
