# The host with its plugins, and the simulated city. gcc, make and perl, which librdkafka and OpenSSL need, are in the first image.
FROM rust:1.95.0-bookworm AS build
WORKDIR /src
COPY . .
RUN rustup target add wasm32-unknown-unknown
RUN cargo build --release --locked --workspace --bins
RUN scripts/wasm-cargo build --release --locked && scripts/install-plugins

FROM debian:bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates \
 && rm -rf /var/lib/apt/lists/* && useradd --system --uid 10001 --create-home millstream
COPY --from=build /src/target/release/millstream /src/target/release/millstream-simulator /usr/local/bin/
COPY --from=build /src/plugins/*.wasm /var/lib/millstream/plugins/
USER millstream
ENTRYPOINT ["millstream"]
CMD ["run", "--config", "/etc/millstream/millstream.toml"]
