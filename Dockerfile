# Footfall in a small image: built where Rust is, run as a user of its own on a bare Debian.
#
#   docker build -t footfall . && docker run -p 3030:3030 -v footfall-data:/data footfall

# Of the same Debian release as the last stage, so that the binary finds the C library it was linked with.
FROM rust:1.95-slim-bookworm AS build
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked --bin footfall \
    && cp target/release/footfall /footfall

FROM debian:12-slim
# Certificates are for rediss:// addresses.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --system --gid 10001 footfall \
    && useradd --system --uid 10001 --gid footfall --home-dir /data --no-create-home --shell /usr/sbin/nologin footfall \
    && install -d -o footfall -g footfall -m 0700 /data
COPY --from=build /footfall /usr/local/bin/footfall
COPY compose/healthy.sh /usr/local/bin/footfall-healthy

ENV FOOTFALL_DATA_DIR=/data
# Journal and counters: without a volume they go with the container.
VOLUME /data
# Numbers, so that `runAsNonRoot` can be checked without looking into the image.
USER 10001:10001
# Visits; metrics and health for operators (on loopback unless FOOTFALL_ADMIN_HOST says otherwise).
EXPOSE 3030 9090
# The gateway answers what it has begun, flushes and ends.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["footfall-healthy"]
ENTRYPOINT ["footfall"]
CMD ["serve"]
