# syntax=docker/dockerfile:1.7
# The service in one image: every role, the checks, and what looks after a server of secrets. Built by
#   docker build --build-arg VERSION=0.1.0 --build-arg REVISION="$(git rev-parse HEAD)" --tag tillstream:0.1.0 .
# Images are pinned by version. A registry that wants digests besides: give each ARG below as name:version@sha256:….

ARG RUST_IMAGE=rust:1.95.0-slim-bookworm
# The C library, libgcc and certificate authorities; no shell, no package manager. The same Debian as where it is built.
ARG RUNTIME_IMAGE=gcr.io/distroless/cc-debian12:nonroot

# What both stages that compile have: a linker, the tool that tells dependencies from our own code, the vendor's library.
FROM ${RUST_IMAGE} AS tools
ARG CARGO_CHEF_VERSION=0.1.77
ENV CARGO_TERM_COLOR=never
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends python3 python3-venv \
    && rm -rf /var/lib/apt/lists/* \
    && cargo install --locked --version "${CARGO_CHEF_VERSION}" cargo-chef
WORKDIR /build

# Manifests and the lock file, and of our own code only which crates there are. It changes with a dependency, not with a line of code.
FROM tools AS plan
COPY . .
RUN cargo chef prepare --recipe-path recipe.json

# Solace's client library as the build scripts want it, from the wheel whose hashes stand in tests/python/solclient.txt: what
# `cargo xtask solclient` does, which would compile the sources first. Empty archives stand where a linker looks for static ones.
FROM tools AS solclient
COPY tests/python/solclient.txt pins.txt
RUN python3 -m venv environment \
    && environment/bin/pip download --quiet --no-deps --only-binary=:all: --require-hashes --dest wheel --requirement pins.txt \
    && environment/bin/python -m zipfile -e wheel/*.whl unpacked \
    && mkdir -p /solclient \
    && cp unpacked/solace/messaging/lib/*/libsolclient.so /solclient/libsolclient.so.1 \
    && cp unpacked/solace/messaging/lib/licenses.txt /solclient/licenses.txt \
    && ln -s libsolclient.so.1 /solclient/libsolclient.so \
    && for name in crypto ssl solclient solclientssl; do printf '!<arch>\n' > "/solclient/lib${name}.a"; done

# Dependencies first: this layer is used again until Cargo.lock or a manifest changes.
FROM tools AS build
ENV SOLCLIENT_LIB_PATH=/solclient
COPY --from=solclient /solclient /solclient
COPY --from=plan /build/recipe.json recipe.json
RUN cargo chef cook --release --locked --recipe-path recipe.json --package tillstream --features solace
COPY . .
RUN cargo build --release --locked --package tillstream --bin tillstream --features solace \
    && strip --strip-debug --output-file=/tillstream target/release/tillstream
# Places that are volumes at run time. A new volume takes owner and mode from here, so that nothing has to run as root for it.
RUN install --directory --owner=65532 --group=65532 --mode=0700 \
        /places/var/lib/tillstream \
        /places/var/lib/vault \
        /places/var/lib/vault/data \
        /places/var/lib/vault/keys \
        /places/var/lib/vault/approles/validation-service \
        /places/var/lib/vault/approles/aggregation-service \
        /places/var/lib/vault/approles/reporting-service \
        /places/var/lib/vault/approles/pos-service \
        /places/var/lib/vault/approles/otel-collector \
        /places/var/lib/vault/approles/message-broker \
        /places/var/lib/vault/approles/operator \
        /places/var/lib/vault/rendered/otel-collector \
        /places/var/lib/vault/rendered/message-broker \
        /places/var/lib/edge/certificate \
        /places/var/lib/terraform \
    && install --directory --owner=65532 --group=65532 --mode=0755 \
        /places/var/lib/vault/approles \
        /places/var/lib/vault/authority \
        /places/var/lib/vault/rendered \
        /places/var/lib/edge/authority \
        /places/var/lib/vault/rendered/broker-admin \
        /places/var/lib/vault/rendered/broker-monitor \
    && chmod 0755 /places/var/lib/vault /places/var/lib/edge

FROM ${RUNTIME_IMAGE} AS runtime
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="tillstream" \
      org.opencontainers.image.description="Takes sales from tills and counts every accepted one exactly once" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /places /
# The program looks for the library beside itself first.
COPY --from=build /tillstream /usr/local/bin/tillstream
COPY --from=solclient /solclient/libsolclient.so.1 /usr/local/bin/libsolclient.so.1
COPY --from=solclient /solclient/licenses.txt /usr/share/doc/libsolclient/licenses.txt
COPY LICENSE-APACHE LICENSE-MIT /usr/share/doc/tillstream/
COPY config /etc/tillstream/config
# config/base.toml is read from here.
WORKDIR /etc/tillstream
USER 65532:65532
EXPOSE 8080
STOPSIGNAL SIGTERM
# The process watches broker and secrets itself; this asks it. `check` without --ready would log in a second time.
HEALTHCHECK --interval=5s --timeout=4s --start-period=60s --retries=3 \
    CMD ["/usr/local/bin/tillstream", "check", "--ready", "http://127.0.0.1:8080"]
ENTRYPOINT ["/usr/local/bin/tillstream"]
CMD ["run", "--config", "config/production.toml"]
